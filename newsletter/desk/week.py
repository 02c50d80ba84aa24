"""Which issue is in work, and what became of the last one."""

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import selectinload

from newsletter.database import db
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Issue

IN_WORK = (IssueState.DRAFT, IssueState.SCHEDULED, IssueState.SENDING, IssueState.PAUSED)
STILL_THIS_WEEK = timedelta(days=6)


@dataclass(frozen=True)
class Week:
    """The issues that are not done yet, the one to work on first; and the last that was sent."""

    in_work: list[Issue]
    last: Issue | None


def this_week(today: date) -> Week:
    """What is in work and what is done, in one look.

    To be worked on first is the issue whose date is next, or was in the last days; what was left
    lying long ago comes after all others. The last one is that whose sending came to an end.
    """
    last = (
        select(Issue.id)
        .where(Issue.sending_started_at.is_not(None), Issue.state.not_in(IN_WORK))
        .order_by(Issue.sending_started_at.desc(), Issue.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    found = db.session.scalars(
        select(Issue)
        .where(or_(Issue.state.in_(IN_WORK), Issue.id == last))
        .options(selectinload(Issue.subjects))
    ).all()
    since = today - STILL_THIS_WEEK
    in_work = [issue for issue in found if issue.state in IN_WORK]
    return Week(
        sorted(in_work, key=lambda issue: (issue.date < since, issue.date, issue.number)),
        next((issue for issue in found if issue.state not in IN_WORK), None),
    )
