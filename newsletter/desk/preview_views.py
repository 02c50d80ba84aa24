"""Look at the mail itself, as it is kept and as it is being written."""

from flask import Response, render_template, request

from newsletter.desk import inbox, overview, preview
from newsletter.desk.door import pages
from newsletter.desk.kept_words import LARGEST_FORM
from newsletter.desk.lookup import ISSUE, find_issue
from newsletter.desk.places import find_article
from newsletter.issues.editions import NothingChosen, UnfitForMail
from newsletter.issues.markdown import UnreadableMarkup
from newsletter.issues.models import Issue
from newsletter.issues.revisions import Words
from newsletter.issues.sections import sections_of
from newsletter.issues.unsaved import with_unsaved
from newsletter.mail.publication import sender


@pages.get(ISSUE + "/preview")
def look(number: int) -> str:
    """Look at the mail itself, and send a test of it."""
    return preview_page(find_issue(number))


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


def preview_page(issue: Issue, *, address: str = "", error: str | None = None) -> str:
    """The page of the preview; `error` says what is wrong with the `address` of a test."""
    view = preview.read_view(issue, request.values)
    preview.edition_of(issue, view)  # what cannot be shown is refused here, not in the frame
    words = issue.subject(view.language, view.language)
    return render_template(
        "desk/preview.html",
        issue=issue,
        view=view,
        languages_offered=overview.offered_languages(),
        sections=sections_of(issue),
        words=words,
        on_desktop=inbox.line(words, inbox.DESKTOP),
        on_phone=inbox.line(words, inbox.PHONE),
        sender=sender(),
        address=address,
        error=error,
    )
