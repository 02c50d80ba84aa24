"""Plan an issue: its date, its deadline, and who writes what.

Whoever saves a plan says which act about it was the newest when they opened it, so that nobody
undoes what they have not seen. Each change of a plan is a line in the log.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import and_, func, or_, select

from newsletter import audit
from newsletter.audit import AuditEntry
from newsletter.database import db
from newsletter.desk.assignments import assign, hand_on, people, writers_of
from newsletter.desk.models import Editor
from newsletter.issues.changes import DATED, FrozenIssue, begin_change, lock_issue
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Issue, Section
from newsletter.issues.skeleton import start_issue

DEADLINE = "Set the deadline to {} UTC."
NO_DEADLINE = "Took the deadline away."
WRITTEN = "{} is written by {}."
ABOUT_THE_PLAN = and_(
    AuditEntry.what.not_like("Changed (%"),  # a subject may hold any words
    or_(
        *(
            AuditEntry.what.like(said.format("%", "%"))
            for said in (DATED, DEADLINE, NO_DEADLINE, WRITTEN)
        )
    ),
)


@dataclass(frozen=True)
class Plan:
    """What was decided; `writers` says by section whose ids.

    `seen` is the number of the newest act about the plan that whoever decided knew of.
    """

    date: date
    deadline_at: datetime | None
    writers: Mapping[int, frozenset[int]]
    seen: int


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


def newest_act(number: int) -> int:
    """The number of the last act about the plan of an issue in the log; 0 if there is none.

    Asked for before the plan itself, it stands for nothing newer than what is shown.
    """
    of_issue = select(Issue.id).where(Issue.number == number).scalar_subquery()
    newest = select(func.max(AuditEntry.id)).where(AuditEntry.issue_id == of_issue, ABOUT_THE_PLAN)
    return db.session.scalar(newest) or 0


def plan_issue(
    issue_id: int, plan: Plan, sections: list[Section], *, who: str, now: datetime
) -> Sequence[AuditEntry]:
    """Settle what was decided about a draft, a line in the log for each thing that is new.

    If somebody planned otherwise since what was seen, nothing is changed, and what they did is
    given back. Readers see the date, so another one takes the approval back; a deadline and a name
    do not. Raises `FrozenIssue`.
    """
    issue = lock_issue(issue_id)
    if issue.state is not IssueState.DRAFT:
        raise FrozenIssue(issue.number, issue.state)
    known = {editor.id: editor for editor in people()}
    writers = _new_writers(issue_id, plan.writers, sections, frozenset(known))
    is_as_it_stands = (plan.date, plan.deadline_at) == (issue.date, issue.deadline_at)
    if is_as_it_stands and not writers:
        return []
    if others := _acts_since(issue_id, plan.seen):
        return others
    said = []
    if plan.date != issue.date:
        begin_change(issue_id, now=now).date = plan.date
        said.append(DATED.format(plan.date))
    if plan.deadline_at != issue.deadline_at:
        issue.deadline_at = at = plan.deadline_at
        said.append(DEADLINE.format(f"{at:%Y-%m-%d %H:%M}") if at else NO_DEADLINE)
    for section, chosen in writers:
        assign(issue_id, section.id, chosen)
        said.append(WRITTEN.format(section.title("en"), _names(known, chosen)))
    for what in said:
        audit.note(who, what, now=now, issue_id=issue_id)
    return []


def _acts_since(issue_id: int, seen: int) -> Sequence[AuditEntry]:
    """What was done about the plan after an act, the first act first."""
    newer = select(AuditEntry).where(
        AuditEntry.issue_id == issue_id, AuditEntry.id > seen, ABOUT_THE_PLAN
    )
    return db.session.scalars(newer.order_by(AuditEntry.id)).all()


def _new_writers(
    issue_id: int,
    wanted: Mapping[int, frozenset[int]],
    sections: list[Section],
    known: frozenset[int],
) -> list[tuple[Section, frozenset[int]]]:
    """The sections that are to have other writers than now, with who they are."""
    now = writers_of(issue_id)
    chosen = [(section, wanted.get(section.id, frozenset()) & known) for section in sections]
    return [
        (section, ids)
        for section, ids in chosen
        if ids != {editor.id for editor in now.get(section.id, [])}
    ]


def _names(known: Mapping[int, Editor], chosen: frozenset[int]) -> str:
    return ", ".join(sorted(known[id_].called for id_ in chosen)) or "nobody yet"
