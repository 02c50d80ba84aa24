"""Upload an issue as a file, all of it or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Response, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as AnyResponse

from newsletter.database import transaction
from newsletter.desk.door import current_editor, may_send, pages
from newsletter.desk.lookup import now
from newsletter.issues.changes import FrozenIssue
from newsletter.issues.editing import DuplicateIssue, OtherDate, import_issue
from newsletter.issues.issue_file import BadIssueFile, Problem

MOST_PROBLEMS = 100  # shown at a time
LONGEST_QUOTE = 200  # characters of a line


@dataclass(frozen=True)
class QuotedProblem:
    """A complaint beside the line it is about."""

    line: int
    quote: str
    sentence: str


@pages.get("/upload")
@may_send
def upload() -> str:
    """Ask for an issue file."""
    return render_template("desk/upload.html", replace="replace" in request.args)


@pages.post("/upload")
@may_send
def take_file() -> AnyResponse:
    """Take an issue file, or say what is wrong in which line and take nothing of it."""
    file = request.files.get("file")
    if file is None or not file.filename:
        return _file_refused(400, gettext("Please choose a file first."))
    data = file.read()
    file.close()
    try:
        with transaction():
            issue = import_issue(
                data,
                replace="replace" in request.form,
                who=current_editor().address,
                now=now(),
            )
    except BadIssueFile as error:
        problems = _quoted(error.problems, data)
        return _file_refused(error.status, problems=problems, filename=file.filename)
    except DuplicateIssue as error:
        return _file_refused(error.status, duplicate=error, filename=file.filename)
    except (FrozenIssue, OtherDate) as error:
        return _file_refused(error.status, str(error), filename=file.filename)
    flash(gettext("The file is in. This is the issue as it stands now."))
    return redirect(url_for("desk.issue", number=issue.number), 303)


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
