"""Plan an issue: its date, its deadline, and who writes what."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select

from newsletter import audit
from newsletter.database import db
from newsletter.desk.assignments import assign, hand_on, people, writers_of
from newsletter.desk.models import Editor
from newsletter.issues.changes import FrozenIssue, begin_change
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Issue, Section
from newsletter.issues.skeleton import start_issue

NO_DEADLINE = "Took the deadline away."


@dataclass(frozen=True)
class Plan:
    """What was decided; `writers` says by section whose ids."""

    date: date
    deadline_at: datetime | None
    writers: Mapping[int, frozenset[int]]


def start_next(
    number: int, day: date, deadline_at: datetime | None, *, who: str, now: datetime
) -> Issue:
    """Start an issue whose sections are written by those who wrote them last.

    Raises `skeleton.NumberTaken`.
    """
    last = db.session.scalar(select(Issue.id).order_by(Issue.number.desc()).limit(1))
    issue = start_issue(number, day, deadline_at, who=who, now=now)
    if last is not None:
        hand_on(last, issue.id)
    return issue


def plan_issue(
    issue_id: int, plan: Plan, sections: list[Section], *, who: str, now: datetime
) -> None:
    """Settle what was decided about a draft, a line in the log for each thing that is new.

    Readers see the date, so another one takes the approval back; a deadline and a name do not.
    Raises `FrozenIssue`.
    """
    issue = _lock(issue_id)
    if issue.state is not IssueState.DRAFT:
        raise FrozenIssue(issue.number, issue.state)
    said = []
    if plan.date != issue.date:
        begin_change(issue_id, now=now).date = plan.date
        said.append(f"Dated it {plan.date}.")
    if plan.deadline_at != issue.deadline_at:
        issue.deadline_at = plan.deadline_at
        at = plan.deadline_at
        said.append(
            f"Set the deadline to {at:%Y-%m-%d %H:%M} UTC." if at else "Took the deadline away."
        )
    said += _assign_all(issue_id, plan.writers, sections)
    for what in said:
        audit.note(who, what, now=now, issue_id=issue_id)


def _assign_all(
    issue_id: int, wanted: Mapping[int, frozenset[int]], sections: list[Section]
) -> list[str]:
    """Give each section its writers, and say which have others than before."""
    known = {editor.id: editor for editor in people()}
    before = writers_of(issue_id)
    said = []
    for section in sections:
        chosen = wanted.get(section.id, frozenset()) & known.keys()
        if chosen != {editor.id for editor in before.get(section.id, [])}:
            assign(issue_id, section.id, chosen)
            said.append(f"{section.title('en')} is written by {_names(known, chosen)}.")
    return said


def _names(known: Mapping[int, Editor], chosen: frozenset[int]) -> str:
    return ", ".join(sorted(known[id_].called for id_ in chosen)) or "nobody yet"


def _lock(issue_id: int) -> Issue:
    """The issue, ours until the transaction ends: two who plan it go one after the other."""
    return db.session.scalars(
        select(Issue)
        .where(Issue.id == issue_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
