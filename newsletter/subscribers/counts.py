"""How many read us, how that grew, and whom a retired section would leave without anything."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as clock
from itertools import pairwise
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from newsletter.database import db
from newsletter.issues import choice as choices
from newsletter.pages import settings
from newsletter.subscribers.models import Subscriber, SubscriberState, Subscription

READS = Subscriber.state == SubscriberState.CONFIRMED


@dataclass(frozen=True)
class Counts:
    """All subscribers by state; of the confirmed ones, those who get nothing at the moment."""

    by_state: dict[SubscriberState, int]
    suppressed: int
    paused: int


@dataclass(frozen=True)
class Week:
    """Seven days from a Monday on: how many confirmed, how many left."""

    begins: date
    came: int
    left: int


def count_subscribers(*, now: datetime) -> Counts:
    """Count everybody."""
    rows = db.session.execute(
        select(
            Subscriber.state,
            func.count(),
            func.count(Subscriber.suppressed_at),
            func.count().filter(Subscriber.paused_until > now),
        ).group_by(Subscriber.state)
    ).all()
    confirmed = [row for row in rows if row[0] is SubscriberState.CONFIRMED]
    return Counts(
        by_state=dict.fromkeys(SubscriberState, 0) | {row[0]: row[1] for row in rows},
        suppressed=sum(row[2] for row in confirmed),
        paused=sum(row[3] for row in confirmed),
    )


def growth(weeks: int, *, now: datetime) -> list[Week]:
    """The last weeks in the publication's zone, the present one last; two counts in one pass."""
    zone = ZoneInfo(settings().time_zone)
    today = now.astimezone(zone).date()
    monday = today - timedelta(days=today.weekday())
    mondays = [monday - timedelta(weeks=ago) for ago in range(weeks - 1, -2, -1)]
    starts = [datetime.combine(day, clock(), zone) for day in mondays]
    spans = list(pairwise(starts))
    columns = [
        func.count().filter(_within(column, span))
        for span in spans
        for column in (Subscriber.confirmed_at, Subscriber.unsubscribed_at)
    ]
    lately = or_(Subscriber.confirmed_at >= starts[0], Subscriber.unsubscribed_at >= starts[0])
    found = list(db.session.execute(select(*columns).where(lately)).one())
    return [
        Week(day, came, left)
        for day, came, left in zip(mondays[:-1], found[::2], found[1::2], strict=True)
    ]


def readers_of_one_alone(section_ids: Iterable[int]) -> dict[int, int]:
    """By section, how many readers chose that one and no other."""
    section_of = {choices.bit(section_id): section_id for section_id in section_ids}
    rows = db.session.execute(
        select(Subscription.choice, func.count())
        .join(Subscriber, Subscriber.id == Subscription.subscriber_id)
        .where(Subscription.choice.in_(section_of), READS)
        .group_by(Subscription.choice)
    )
    return {section_of[choice]: number for choice, number in rows}


def _within(
    column: InstrumentedAttribute[datetime | None], span: tuple[datetime, datetime]
) -> ColumnElement[bool]:
    return and_(column >= span[0], column < span[1])
