"""The issues: all of them, and each with how it stands, what to do next, or how it went."""

from collections.abc import Iterator

from flask import render_template, request

from newsletter import audit
from newsletter.delivery.progress import full_progress
from newsletter.delivery.samples import samples
from newsletter.delivery.schedule import is_late
from newsletter.desk import overview
from newsletter.desk.door import current_editor, pages
from newsletter.desk.lookup import ISSUE, find_issue, now, typed_number
from newsletter.desk.next_step import next_step
from newsletter.desk.overview import SectionPart
from newsletter.desk.places import names_of
from newsletter.issues import preflight
from newsletter.issues.approval import LostApproval, lost_approval
from newsletter.issues.lifecycle import IssueState, may_follow
from newsletter.issues.models import Issue


@pages.get("/issues")
def issues() -> str:
    """All issues, the newest first."""
    rows = overview.issue_rows(typed_number(request.args.get("before", "")))
    has_older = len(rows) == overview.ISSUES_PER_PAGE
    return render_template("desk/issues.html", rows=rows, has_older=has_older)


@pages.get(ISSUE)
def issue(number: int) -> str:
    """One issue: what is written, what is wrong, what to do next; or how it went."""
    return issue_page(find_issue(number))


def issue_page(issue: Issue, **mistakes: bool) -> str:
    """The page of an issue; `mistakes` say why an approval was refused."""
    editor = current_editor()
    is_to_be_sent = may_follow(issue.state, IssueState.SENDING) and not issue.is_public
    checked = preflight.check(issue, now=now()) if is_to_be_sent else None
    parts = overview.section_parts(issue, editor)
    lost = lost_approval(issue)
    return render_template(
        "desk/issue.html",
        issue=issue,
        subject=overview.words_of(issue),
        left=overview.time_left(issue, now=now()),
        in_words=overview.in_words,
        parts=parts,
        names=names_of(_who(issue, parts, lost)),
        offered=overview.offered_languages(),
        written=overview.written_languages(issue),
        preflight=checked,
        next_step=next_step(issue, editor, parts, checked) if checked else None,
        lost=lost,
        progress=full_progress(issue.id, now=now()) if issue.is_public else None,
        samples=samples(issue.id) if issue.is_public else [],
        is_late=is_late(issue, now=now()),
        acts=audit.of_issue(issue.id) if editor.may_send else [],
        **mistakes,
    )


def _who(issue: Issue, parts: list[SectionPart], lost: LostApproval | None) -> Iterator[str | None]:
    """Everybody who is named on the page of an issue, but for its log."""
    yield issue.approved_by
    for part in parts:
        yield from part.revised_by
    if lost:
        yield lost.who
        yield from (act.who for act in lost.acts)
