"""Look at the mail itself, as it is kept and as it is being written; send a test of it."""

from flask import Response, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as AnyResponse

from newsletter.background import hint
from newsletter.database import transaction
from newsletter.desk import overview, preview
from newsletter.desk.door import current_editor, may_send, pages
from newsletter.desk.kept_words import LARGEST_FORM
from newsletter.desk.lookup import ISSUE, find_issue, now
from newsletter.desk.places import find_article
from newsletter.issues.editions import NothingChosen, UnfitForMail
from newsletter.issues.markdown import UnreadableMarkup
from newsletter.issues.models import Issue
from newsletter.issues.proofs import owe_proof
from newsletter.issues.revisions import Words
from newsletter.issues.sections import sections_of
from newsletter.issues.unsaved import with_unsaved
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


@pages.post(ISSUE + "/preview/draft")
def draft(number: int) -> Response:
    """The mail as it would be with a text that was not saved yet."""
    form = request.form.copy()
    language = form.get("language", "")
    at = find_article(number, form.get("section", ""), language)
    form.setdefault("edition", language)
    view = preview.read_view(at.issue, form)
    words = Words.typed(form.get("headline", ""), form.get("body", ""))
    issue = with_unsaved(at.issue, at.section, language, words)
    try:
        return preview.as_page(preview.edition_of(issue, view), view)
    except (NothingChosen, UnfitForMail, UnreadableMarkup) as error:
        return preview.instead(error, view)


@pages.url_value_preprocessor
def allow_long_texts(endpoint: str | None, _values: dict[str, object] | None) -> None:
    """Let the longest article be looked at; before anything reads it."""
    if endpoint == "desk.draft":
        request.max_form_memory_size = LARGEST_FORM


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
        languages_offered=overview.offered_languages(),
        sections=sections_of(issue),
        words=issue.subject(view.language, view.language),
        sender=sender(),
        address=current_editor().address if address is None else address,
        error=error,
    )
