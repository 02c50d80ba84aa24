"""The desk: from an issue file to the mail as readers get it."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Response, abort, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as AnyResponse

from newsletter.background import hint
from newsletter.database import transaction
from newsletter.delivery.progress import full_progress
from newsletter.delivery.samples import samples
from newsletter.desk import overview, preview
from newsletter.desk.door import current_editor, may_send, pages
from newsletter.desk.lookup import ISSUE, find_issue, now
from newsletter.issues.changes import FrozenIssue
from newsletter.issues.editing import DuplicateIssue, OtherDate, import_issue
from newsletter.issues.issue_file import BadIssueFile, Problem
from newsletter.issues.models import Issue
from newsletter.issues.proofs import owe_proof
from newsletter.issues.sections import sections_of
from newsletter.mail.addresses import BadAddress
from newsletter.mail.publication import sender

__all__ = ["pages"]

MOST_PROBLEMS = 100  # shown at a time
LONGEST_QUOTE = 200  # characters of a line


@dataclass(frozen=True)
class QuotedProblem:
    """A complaint beside the line it is about."""

    line: int
    quote: str
    sentence: str


@pages.get("/upload")
def upload() -> str:
    """Ask for an issue file."""
    return render_template("desk/upload.html", replace="replace" in request.args)


@pages.post("/upload")
def take_file() -> AnyResponse:
    """Take an issue file, or say what is wrong in which line and take nothing of it."""
    file = request.files.get("file")
    if file is None or not file.filename:
        return _file_refused(400, gettext("Please choose a file first."))
    data = file.read()
    file.close()
    try:
        with transaction():
            issue = import_issue(data, replace="replace" in request.form, now=now())
    except BadIssueFile as error:
        problems = _quoted(error.problems, data)
        return _file_refused(error.status, problems=problems, filename=file.filename)
    except DuplicateIssue as error:
        return _file_refused(error.status, duplicate=error, filename=file.filename)
    except (FrozenIssue, OtherDate) as error:
        return _file_refused(error.status, str(error), filename=file.filename)
    flash(gettext("The file is in. This is the issue as it stands now."))
    return redirect(url_for("desk.issue", number=issue.number), 303)


@pages.get(ISSUE + "/progress")
def progress_now(number: int) -> str:
    """The part of an issue's page that moves while it is being sent."""
    issue = find_issue(number)
    if not issue.is_public:
        abort(404)
    return render_template(
        "desk/_progress.html",
        progress=full_progress(issue.id, now=now()),
        samples=samples(issue.id),
    )


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


def _file_refused(status: int, sentence: str = "", **facts: object) -> Response:
    """The form again, its tick kept, with what is wrong."""
    html = render_template(
        "desk/upload.html", replace="replace" in request.form, sentence=sentence, **facts
    )
    return Response(html, status)


def _quoted(problems: Sequence[Problem], data: bytes) -> list[QuotedProblem]:
    """The first complaints, each with its line as it stands in the file."""
    text = data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    lines = dict(enumerate(text.split("\n"), start=1))
    return [
        QuotedProblem(p.line, lines.get(p.line, "").strip()[:LONGEST_QUOTE], p.sentence)
        for p in problems[:MOST_PROBLEMS]
    ]
