"""Look at the mail itself, and send a test of it."""

from flask import Response, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as AnyResponse

from newsletter.background import hint
from newsletter.database import transaction
from newsletter.desk import overview, preview
from newsletter.desk.door import current_editor, may_send, pages
from newsletter.desk.lookup import ISSUE, find_issue, now
from newsletter.issues.models import Issue
from newsletter.issues.proofs import owe_proof
from newsletter.issues.sections import sections_of
from newsletter.mail.addresses import BadAddress
from newsletter.mail.publication import sender


@pages.get(ISSUE + "/preview")
def look(number: int) -> str:
    """Look at the mail itself, and send a test of it."""
    return _preview_page(find_issue(number))


@pages.get(ISSUE + "/preview/mail")
def mail(number: int) -> Response:
    """The mail that the preview frames."""
    issue = find_issue(number)
    view = preview.read_view(issue, request.args)
    return preview.as_page(preview.edition_of(issue, view), view)


@pages.post(ISSUE + "/test")
@may_send
def send_test(number: int) -> AnyResponse:
    """Send what is looked at to one address."""
    issue, address = find_issue(number), request.form.get("address", "")
    view = preview.read_view(issue, request.form)
    try:
        with transaction():
            owe_proof(
                issue,
                address,
                language=view.language,
                choice=view.choice,
                format=view.format,
                now=now(),
            )
    except BadAddress as error:
        html = _preview_page(issue, address=address, error=gettext(error.flaw.value))
        return Response(html, error.status)
    hint("delivery.send_notices")
    flash(gettext("The test is on its way to %(address)s.", address=address.strip()))
    return redirect(url_for("desk.look", number=number, **view.arguments), 303)


def _preview_page(issue: Issue, *, address: str | None = None, error: str | None = None) -> str:
    view = preview.read_view(issue, request.values)
    preview.edition_of(issue, view)  # what cannot be shown is refused here, not in the frame
    return render_template(
        "desk/preview.html",
        issue=issue,
        view=view,
        languages_written=overview.languages_of(issue),
        sections=sections_of(issue),
        words=issue.subject(view.language, view.language),
        sender=sender(),
        address=current_editor().address if address is None else address,
        error=error,
    )
