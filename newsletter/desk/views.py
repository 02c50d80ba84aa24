"""The desk: from an issue file to Send, and watching it go."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Response, abort, flash, jsonify, redirect, render_template, request, url_for
from flask_babel import gettext
from sqlalchemy import select
from werkzeug.wrappers import Response as AnyResponse

from newsletter.background import hint
from newsletter.database import db, transaction
from newsletter.delivery.fanout import audience
from newsletter.delivery.progress import progress
from newsletter.delivery.start import send_now
from newsletter.desk import overview, preview
from newsletter.desk.door import current_editor, may_send, pages
from newsletter.issues import preflight
from newsletter.issues.editing import DuplicateIssue, FrozenIssue, OtherDate, import_issue
from newsletter.issues.issue_file import BadIssueFile, Problem
from newsletter.issues.lifecycle import IssueState, WrongStep, may_follow
from newsletter.issues.models import Issue
from newsletter.issues.proofs import owe_proof
from newsletter.issues.sections import sections_of
from newsletter.mail.addresses import BadAddress
from newsletter.mail.publication import sender

__all__ = ["pages"]

ISSUE = "/issues/<int(max=999999):number>"
LONGEST_NUMBER = 6  # digits
MOST_PROBLEMS = 100  # shown at a time
LONGEST_QUOTE = 200  # characters of a line


@dataclass(frozen=True)
class QuotedProblem:
    """A complaint beside the line it is about."""

    line: int
    quote: str
    sentence: str


@pages.get("/")
def issues() -> str:
    """All issues, the newest first."""
    rows = overview.issue_rows(_number(request.args.get("before", "")))
    has_older = len(rows) == overview.ISSUES_PER_PAGE
    return render_template("desk/issues.html", rows=rows, has_older=has_older)


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
            issue = import_issue(data, replace="replace" in request.form, now=_now())
    except BadIssueFile as error:
        problems = _quoted(error.problems, data)
        return _file_refused(error.status, problems=problems, filename=file.filename)
    except DuplicateIssue as error:
        return _file_refused(error.status, duplicate=error, filename=file.filename)
    except (FrozenIssue, OtherDate) as error:
        return _file_refused(error.status, str(error), filename=file.filename)
    flash(gettext("The file is in. This is the issue as it stands now."))
    return redirect(url_for("desk.issue", number=issue.number), 303)


@pages.get(ISSUE)
def issue(number: int) -> str:
    """One issue: what is written, what is wrong, what to do next; or how it went."""
    issue = _issue(number)
    is_to_be_sent = may_follow(issue.state, IssueState.SENDING) and not issue.is_public
    return render_template(
        "desk/issue.html",
        issue=issue,
        subject=overview.words_of(issue),
        rows=overview.section_rows(issue),
        offered=overview.offered_languages(),
        preflight=preflight.check(issue, now=_now()) if is_to_be_sent else None,
        progress=progress(issue.id) if issue.is_public else None,
    )


@pages.get(ISSUE + "/progress.json")
def counts(number: int) -> Response:
    """How far an issue has come, as `newsletter issue status --json` says it."""
    return jsonify(progress(_issue(number).id).as_json())


@pages.get(ISSUE + "/preview")
def look(number: int) -> str:
    """Look at the mail itself, and send a test of it."""
    return _preview_page(_issue(number))


@pages.get(ISSUE + "/preview/mail")
def mail(number: int) -> Response:
    """The mail that the preview frames."""
    issue = _issue(number)
    view = preview.read_view(issue, request.args)
    return preview.as_page(preview.edition_of(issue, view), view)


@pages.post(ISSUE + "/test")
@may_send
def send_test(number: int) -> AnyResponse:
    """Send what is looked at to one address."""
    issue, address = _issue(number), request.form.get("address", "")
    view = preview.read_view(issue, request.form)
    try:
        with transaction():
            owe_proof(
                issue,
                address,
                language=view.language,
                choice=view.choice,
                format=view.format,
                now=_now(),
            )
    except BadAddress as error:
        html = _preview_page(issue, address=address, error=gettext(error.flaw.value))
        return Response(html, error.status)
    hint("delivery.send_notices")
    flash(gettext("The test is on its way to %(address)s.", address=address.strip()))
    return redirect(url_for("desk.look", number=number, **view.arguments), 303)


@pages.get(ISSUE + "/send")
@may_send
def send(number: int) -> str | AnyResponse:
    """Say who will get it, and ask for one deliberate act."""
    issue = _issue(number)
    if issue.is_public:
        return redirect(url_for("desk.issue", number=number), 303)
    return _send_page(issue)


@pages.post(ISSUE + "/send")
@may_send
def start(number: int) -> AnyResponse:
    """Start sending, if its number was typed and nobody changed or started it meanwhile."""
    issue = _issue(number)
    if not issue.is_public:
        if request.form.get("seen") != issue.revised_at.isoformat():
            return Response(_send_page(issue, is_revised=True), 409)
        if _number(request.form.get("number", "")) != number:
            return Response(_send_page(issue, is_mistyped=True), 400)
    try:
        send_now(issue.id, now=_now())
    except WrongStep as error:
        if error.state not in {IssueState.SENDING, IssueState.SENT}:
            raise
        flash(gettext("It was started already. Nobody gets it twice."))
    return redirect(url_for("desk.issue", number=number), 303)


def _send_page(issue: Issue, *, is_mistyped: bool = False, is_revised: bool = False) -> str:
    return render_template(
        "desk/send.html",
        issue=issue,
        subjects=[issue.subject(tag, tag) for tag in overview.languages_of(issue)],
        audience=audience(issue),
        preflight=preflight.check(issue, now=_now()),
        in_words=overview.choice_in_words,
        sender=sender(),
        is_mistyped=is_mistyped,
        is_revised=is_revised,
    )


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


def _issue(number: int) -> Issue:
    """The issue of that number as it is now; 404 if there is none."""
    found = db.session.scalar(select(Issue).where(Issue.number == number))
    return found or abort(404)


def _number(typed: str) -> int | None:
    """The number of an issue as it was typed, in Western or Arabic digits."""
    typed = typed.strip()
    return int(typed) if typed.isdecimal() and len(typed) <= LONGEST_NUMBER else None


def _now() -> datetime:
    return datetime.now(UTC)
