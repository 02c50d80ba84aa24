"""Which issue is in work, and what became of the last one."""

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from newsletter.database import db
from newsletter.delivery.progress import Progress, progress
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Issue

IN_WORK = (IssueState.DRAFT, IssueState.SCHEDULED, IssueState.SENDING, IssueState.PAUSED)
STILL_THIS_WEEK = timedelta(days=6)


@dataclass(frozen=True)
class Outcome:
    """An issue that readers have, and what became of it."""

    issue: Issue
    progress: Progress


def issues_in_work(today: date) -> list[Issue]:
    """The issues that are not done yet, the one to work on first.

    That is the one whose date is next, or was in the last days; what was left lying long ago
    comes after all others.
    """
    found = db.session.scalars(
        select(Issue)
        .where(Issue.state.in_(IN_WORK))
        .options(selectinload(Issue.subjects), selectinload(Issue.articles))
    )
    since = today - STILL_THIS_WEEK
    return sorted(found, key=lambda issue: (issue.date < since, issue.date, issue.number))


def last_outcome() -> Outcome | None:
    """The last issue whose sending came to an end."""
    last = db.session.scalar(
        select(Issue)
        .where(Issue.sending_started_at.is_not(None), Issue.state.not_in(IN_WORK))
        .options(selectinload(Issue.subjects))
        .order_by(Issue.sending_started_at.desc(), Issue.number.desc())
        .limit(1)
    )
    return Outcome(last, progress(last.id)) if last else None
