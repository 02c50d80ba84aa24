"""Send a test of what is looked at: to oneself, to everybody at the desk, or to some addresses."""

from enum import StrEnum

from flask import Response, flash, redirect, request, url_for
from flask_babel import gettext, ngettext
from werkzeug.wrappers import Response as AnyResponse

from newsletter import audit
from newsletter.background import hint
from newsletter.database import transaction
from newsletter.desk import preview
from newsletter.desk.assignments import people
from newsletter.desk.door import current_editor, pages
from newsletter.desk.lookup import ISSUE, find_issue, now
from newsletter.desk.preview_views import preview_page
from newsletter.issues.proofs import owe_proof
from newsletter.mail.addresses import BadAddress, parse_address

MOST = 20  # addresses typed at a time: a test is no mailing


class To(StrEnum):
    """Who is to get a test."""

    ME = "me"
    DESK = "desk"
    THESE = "these"


@pages.post(ISSUE + "/test")
def send_test(number: int) -> AnyResponse:
    """Send exactly what is looked at; authors send it to themselves alone."""
    issue = find_issue(number)
    view = preview.read_view(issue, request.form)
    typed = request.form.get("address", "")
    try:
        recipients = _recipients(typed)
    except BadAddress as error:
        return _ask_again(number, error.status, gettext(error.flaw.value))
    if len(recipients) > MOST and _to() is To.THESE:
        sentence = gettext("At most %(most)s addresses at a time: this is a test.", most=MOST)
        return _ask_again(number, 400, sentence)
    with transaction():
        for address in recipients:
            owe_proof(
                issue,
                address,
                language=view.language,
                choice=view.choice,
                format=view.format,
                now=now(),
            )
        if _to() is To.THESE:  # it may leave the house before its time
            what = f"Sent a test of it to other addresses: {len(recipients)}."
            audit.note(current_editor().address, what, now=now(), issue_id=issue.id)
    hint("delivery.send_notices")
    flash(
        gettext("The test is on its way to %(address)s.", address=recipients[0])
        if len(recipients) == 1
        else ngettext(
            "The test is on its way to one address.",
            "The test is on its way to %(num)d addresses.",
            len(recipients),
        )
    )
    return redirect(url_for("desk.look", number=number, **view.arguments), 303)


def _recipients(typed: str) -> list[str]:
    """The addresses that were chosen or typed, each once; raises `BadAddress`."""
    match _to():
        case To.ME:
            return [current_editor().address]
        case To.DESK:
            return [editor.address for editor in people()]
        case To.THESE:
            pieces = typed.replace(",", " ").replace(";", " ").split() or [typed]
            return list(dict.fromkeys(parse_address(piece).smtp for piece in pieces))


def _to() -> To:
    if not current_editor().may_send:
        return To.ME
    chosen = request.form.get("to", "")
    return To(chosen) if chosen in list(To) else To.THESE


def _ask_again(number: int, status: int, sentence: str) -> Response:
    address = request.form.get("address", "")
    return Response(preview_page(find_issue(number), address=address, error=sentence), status)
