"""What the desk tells of an issue that went out: what became of it, and beside earlier ones."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, select
from sqlalchemy.orm import aliased, selectinload

from newsletter.database import db
from newsletter.delivery.answers import without_readers
from newsletter.delivery.models import DeliveryState, ReportLine, Tally
from newsletter.delivery.report import COMPLAINED, LEFT, Dimension
from newsletter.desk.charts import per_thousand
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Issue
from newsletter.subscribers.leaving_views import REASONS
from newsletter.subscribers.models import ConsentEvent

BESIDE = 12  # issues in a chart
MOST_WORDS = 100  # of readers, shown at a time
_GIVEN = re.compile(rf"({'|'.join(REASONS)})(?:: |$)", re.ASCII)


@dataclass(frozen=True)
class Outcome:
    """An issue that went out, in numbers; bounces are None until they are counted."""

    issue: Issue
    counts: dict[DeliveryState, int]
    unsubscribed: int
    complaints: int
    bounced: int | None
    counted_at: datetime | None

    @property
    def total(self) -> int:
        """How many readers it was for."""
        return sum(self.counts.values())

    @property
    def sent(self) -> int:
        """How many the mail server took."""
        return self.counts[DeliveryState.SENT]

    @property
    def lost(self) -> float | None:
        """How many of a thousand did not get it, as far as anybody knows."""
        wrong = self.counts[DeliveryState.FAILED] + (self.bounced or 0)
        return per_thousand(wrong, self.total)

    @property
    def left(self) -> float | None:
        """How many of a thousand who got it left by it."""
        return per_thousand(self.unsubscribed, self.sent)

    @property
    def is_over(self) -> bool:
        """Whether nothing more goes out."""
        return self.issue.state in {IssueState.SENT, IssueState.CANCELLED}


@dataclass(frozen=True)
class Reasons:
    """Why readers left by an issue: what they ticked, and what they wrote, no address in it."""

    ticked: dict[str, int]
    silent: int
    words: list[str]

    @property
    def total(self) -> int:
        """How many left."""
        return sum(self.ticked.values()) + self.silent


def outcomes(*, until: int | None = None, most: int = BESIDE) -> list[Outcome]:
    """The issues that went out last, the latest first; from the one of that number on backwards.

    None if that one did not go out.
    """
    return [
        Outcome(
            issue=issue,
            counts={
                state: int(count or 0) for state, count in zip(DeliveryState, sums, strict=True)
            },
            unsubscribed=unsubscribed,
            complaints=complaints,
            bounced=bounced,
            counted_at=counted_at,
        )
        for issue, bounced, counted_at, unsubscribed, complaints, *sums in _issues(until, most)
    ]


def usual(values: Sequence[float | None]) -> float | None:
    """What is in the middle of those that are known."""
    known = [value for value in values if value is not None]
    return median(known) if known else None


def reasons(issue_id: int) -> Reasons:
    """Why readers left by a link in this issue, as far as they said."""
    rows = db.session.execute(
        select(ConsentEvent.reason, func.count())
        .where(ConsentEvent.issue_id == issue_id, LEFT)
        .group_by(ConsentEvent.reason)
        .order_by(ConsentEvent.reason)
    )
    ticked, silent, words = Counter[str](), 0, []
    for said, number in rows:
        match = _GIVEN.match(said or "")
        written = without_readers((said or "")[match.end() if match else 0 :])
        if match or written:
            ticked[match[1] if match else "other"] += number
        else:
            silent += number
        if written:
            words.append(written)
    return Reasons({reason: ticked[reason] for reason in REASONS}, silent, words[:MOST_WORDS])


def _issues(until: int | None, most: int) -> Iterable[Row[*tuple[Any, ...]]]:
    sums = (
        select(
            Tally.issue_id,
            *(func.sum(getattr(Tally, state)).label(state.value) for state in DeliveryState),
        )
        .group_by(Tally.issue_id)
        .subquery()
    )
    whole: ColumnElement[bool] = and_(
        ReportLine.issue_id == Issue.id, ReportLine.dimension == Dimension.ALL
    )
    left, complained = (
        select(func.count()).where(ConsentEvent.issue_id == Issue.id, what)
        for what in (LEFT, COMPLAINED)
    )
    query = (
        select(
            Issue,
            ReportLine.bounced,
            ReportLine.counted_at,
            left.scalar_subquery(),
            complained.scalar_subquery(),
            *(sums.c[state.value] for state in DeliveryState),
        )
        .outerjoin(sums, sums.c.issue_id == Issue.id)
        .outerjoin(ReportLine, whole)
        .where(Issue.sending_started_at.is_not(None))
        .options(selectinload(Issue.subjects))
        .order_by(Issue.sending_started_at.desc(), Issue.id.desc())
        .limit(most)
    )
    if until is not None:
        of_it = aliased(Issue)
        began = select(of_it.sending_started_at).where(of_it.number == until).scalar_subquery()
        query = query.where(Issue.sending_started_at <= began)
    return db.session.execute(query).all()
