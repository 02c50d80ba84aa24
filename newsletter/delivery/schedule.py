"""Send at a set time: schedule, take back, and what is due or too late.

An issue whose time passed long ago (nothing ran at that time) does not go out by surprise: it stays
scheduled, `is_late` says so, and the editors are asked. Sending it or a new time settles that.
"""

from datetime import datetime, timedelta

from sqlalchemy import select

from newsletter import audit
from newsletter.database import db
from newsletter.delivery import steering
from newsletter.delivery.fanout import Blocked
from newsletter.delivery.local_time import BadTime, Flaw
from newsletter.errors import NewsletterError
from newsletter.issues import preflight
from newsletter.issues.changes import lock_issue
from newsletter.issues.lifecycle import IssueState, WrongStep
from newsletter.issues.models import Issue
from newsletter.pages import settings


class NotAsApproved(NewsletterError):
    """The issue is not approved, or no longer what whoever sends it has seen."""

    page = "not_as_approved"
    status = 409

    def __init__(self, number: int, *, is_approved: bool) -> None:
        why = "was changed since you opened it" if is_approved else "is not approved"
        super().__init__(f"Issue {number} {why}. Nothing was sent.")
        self.number = number
        self.is_approved = is_approved


def schedule(issue_id: int, at: datetime, *, who: str, now: datetime) -> Issue:
    """Let a draft go out at a time to come, or a scheduled issue at another time.

    Raises `BadTime` for the past, `WrongStep`, and `Blocked` by the preflight.
    """
    if at <= now:
        raise BadTime(Flaw.PAST)
    before = [IssueState.DRAFT, IssueState.SCHEDULED]
    issue = steering.step(issue_id, before, IssueState.SCHEDULED, scheduled_at=at)
    if blocking := preflight.check(issue, now=now).blocking:
        raise Blocked(issue.number, blocking)
    audit.note(who, f"Scheduled for {at:%Y-%m-%d %H:%M} UTC.", now=now, issue_id=issue_id)
    return issue


def unschedule(issue_id: int, *, who: str, now: datetime) -> Issue:
    """Make a scheduled issue a draft again, so that its texts may change; raises `WrongStep`."""
    issue = steering.step(issue_id, [IssueState.SCHEDULED], IssueState.DRAFT, scheduled_at=None)
    audit.note(who, "Taken off the schedule.", now=now, issue_id=issue_id)
    return issue


def hold_back(issue_id: int, *, because: str, now: datetime) -> Issue:
    """Make a scheduled issue that cannot be sent a draft again, and keep why, for its editors."""
    issue = steering.step(
        issue_id,
        [IssueState.SCHEDULED],
        IssueState.DRAFT,
        scheduled_at=None,
        paused_because=because,
    )
    audit.note(audit.POLICY, f"Not sent at its time. {because}", now=now, issue_id=issue_id)
    return issue


def due(*, now: datetime) -> list[tuple[int, datetime]]:
    """The issues whose time has come, but for those that are too late; and their times."""
    rows = db.session.execute(
        select(Issue.id, Issue.scheduled_at)
        .where(
            Issue.state == IssueState.SCHEDULED,
            Issue.scheduled_at <= now,
            Issue.scheduled_at >= late_before(now),
        )
        .order_by(Issue.scheduled_at, Issue.id)
    )
    return [(issue_id, at) for issue_id, at in rows if at]


def is_late(issue: Issue, *, now: datetime) -> bool:
    """Whether its time passed so long ago that somebody has to say whether it still goes out."""
    if issue.state is not IssueState.SCHEDULED or issue.scheduled_at is None:
        return False
    return issue.scheduled_at < late_before(now)


def late_before(now: datetime) -> datetime:
    """An issue that was to go out before this time is late."""
    return now - timedelta(minutes=settings().late_after_minutes)


def as_it_stands(issue: Issue) -> str:
    """What whoever sends an issue has to have seen: its last change, and the time set for it."""
    times = [issue.revised_at, issue.scheduled_at]
    return " ".join(time.isoformat() for time in times if time)


def check_as_approved(issue_id: int, seen: str) -> None:
    """Raise `NotAsApproved` unless an editor approved it, and it stands as it was `seen`.

    Whoever wants to change it waits until the transaction ends. An issue that is public already is
    left to the step that follows: it has a refusal of its own.
    """
    issue = lock_issue(issue_id)
    if issue.is_public:
        return
    is_approved = issue.approved_at is not None
    if not is_approved or seen != as_it_stands(issue):
        raise NotAsApproved(issue.number, is_approved=is_approved)


def check_still_due(issue_id: int, at: datetime) -> None:
    """Raise `WrongStep` if somebody took the issue off the schedule, or gave it another time."""
    issue = lock_issue(issue_id)
    if issue.state is not IssueState.SCHEDULED or issue.scheduled_at != at:
        raise WrongStep(issue.number, issue.state, IssueState.SENDING)
