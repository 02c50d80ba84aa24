"""Start the next issue from the bones of the last one: a number more, a week later, and empty."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from newsletter import audit
from newsletter.database import db, is_sqlite
from newsletter.errors import NewsletterError
from newsletter.issues.models import Issue

WEEK = timedelta(days=7)
A_YEAR = timedelta(days=365)


class NumberTaken(NewsletterError):
    """There is an issue of that number already."""

    page = "number_taken"
    status = 409

    def __init__(self, number: int) -> None:
        super().__init__(f"There is an issue {number} already.")
        self.number = number


@dataclass(frozen=True)
class Skeleton:
    """What the next issue would begin with; `last` is the one it follows, if there is any."""

    number: int
    date: date
    deadline_at: datetime | None
    last: Issue | None


def next_issue(zone: ZoneInfo, *, now: datetime) -> Skeleton:
    """What follows the issue with the highest number: on the same day of the week, from today on.

    Its deadline is as long before it, by the clocks in `zone`; one that has passed is left out.
    """
    today = now.astimezone(zone).date()
    last = db.session.scalar(select(Issue).order_by(Issue.number.desc()).limit(1))
    if last is None:
        return Skeleton(1, today, None, None)
    if last.date > today + A_YEAR:  # mistyped, surely
        return Skeleton(last.number + 1, today, None, last)
    weeks = max(1, -(-(today - last.date).days // WEEK.days))
    deadline_at = _later(last.deadline_at, weeks, zone) if last.deadline_at else None
    if deadline_at and deadline_at <= now:
        deadline_at = None
    return Skeleton(last.number + 1, last.date + weeks * WEEK, deadline_at, last)


def start_issue(
    number: int, day: date, deadline_at: datetime | None, *, who: str, now: datetime
) -> Issue:
    """Make a draft without any text; raises `NumberTaken`, also for who is a moment late."""
    insert = sqlite.insert if is_sqlite() else postgresql.insert
    made = db.session.scalar(
        insert(Issue)
        .values(number=number, date=day, deadline_at=deadline_at, created_at=now, revised_at=now)
        .on_conflict_do_nothing(index_elements=[Issue.number])
        .returning(Issue.id)
    )
    if made is None:
        raise NumberTaken(number)
    audit.note(who, f"Started issue {number}.", now=now, issue_id=made)
    return db.session.get_one(Issue, made)


def _later(at: datetime, weeks: int, zone: ZoneInfo) -> datetime:
    """The same time of day so many weeks later, whatever clocks do in between."""
    local = at.astimezone(zone)
    shown: time = local.time()
    return datetime.combine(local.date() + weeks * WEEK, shown, tzinfo=zone)
