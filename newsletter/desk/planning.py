"""Plan an issue: its date, its deadline, and who writes what.

Whoever saves a plan says which one stood when they opened it, so that nobody undoes what they have
not seen. Each change of a plan is a line in the log.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256

from sqlalchemy import select

from newsletter import audit
from newsletter.database import db
from newsletter.desk.assignments import assign, hand_on, people, writers_of
from newsletter.desk.models import Editor
from newsletter.issues.changes import DATED, FrozenIssue, begin_change, lock_issue
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Issue, Section
from newsletter.issues.sections import sections_to_write
from newsletter.issues.skeleton import start_issue

DEADLINE = "Set the deadline to {} UTC."
NO_DEADLINE = "Took the deadline away."
WRITTEN = "{} is written by {}."


@dataclass(frozen=True)
class Plan:
    """When an issue appears, when it has to be written, and by section the ids of who writes."""

    date: date
    deadline_at: datetime | None
    writers: Mapping[int, frozenset[int]]

    @property
    def version(self) -> str:
        """The same for the same plan alone; 64 hexadecimal digits."""
        writers = sorted((section, sorted(ids)) for section, ids in self.writers.items() if ids)
        return sha256(repr((self.date, self.deadline_at, writers)).encode()).hexdigest()


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


def plan_of(issue: Issue) -> Plan:
    """The plan as it stands."""
    writers = {
        section_id: frozenset(editor.id for editor in editors)
        for section_id, editors in writers_of(issue.id).items()
    }
    return Plan(issue.date, issue.deadline_at, writers)


def plan_issue(issue_id: int, plan: Plan, *, seen: str, who: str, now: datetime) -> Plan | None:
    """Settle what was decided about a draft, a line in the log for each thing that is new.

    `seen` is the version of the plan that whoever decided knew of. If another one stands by now,
    nothing is changed and that one is given back, unless it is what was decided anyway. Readers
    see the date, so another one takes the approval back; a deadline and a name do not. Raises
    `FrozenIssue`.
    """
    issue = lock_issue(issue_id)
    if issue.state is not IssueState.DRAFT:
        raise FrozenIssue(issue.number, issue.state)
    standing, known = plan_of(issue), {editor.id: editor for editor in people()}
    writers = _new_writers(standing, plan, sections_to_write(issue), frozenset(known))
    is_as_it_stands = (plan.date, plan.deadline_at) == (standing.date, standing.deadline_at)
    if is_as_it_stands and not writers:
        return None
    if seen != standing.version:
        return standing
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
    return None


def _new_writers(
    standing: Plan, wanted: Plan, sections: list[Section], known: frozenset[int]
) -> list[tuple[Section, frozenset[int]]]:
    """The sections that are to have other writers than now, with who they are."""
    nobody = frozenset[int]()
    chosen = [(section, wanted.writers.get(section.id, nobody) & known) for section in sections]
    return [
        (section, ids) for section, ids in chosen if ids != standing.writers.get(section.id, nobody)
    ]


def _names(known: Mapping[int, Editor], chosen: frozenset[int]) -> str:
    return ", ".join(sorted(known[id_].called for id_ in chosen)) or "nobody yet"
