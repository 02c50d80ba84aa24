"""Deliveries in doubt: list them, and settle them by hand or by the operator's policy.

Only what is in doubt at this moment is touched, so two who settle at once do not clash: the first
one counts. No answer can come late: whoever might still hear one has lost the lease, or gave the
doubt as its last word. Never silently: each leaves a line in the audit log.
"""

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, exists, func, literal, select

from newsletter import audit
from newsletter.database import db, execute
from newsletter.delivery import steering
from newsletter.delivery.models import Delivery, DeliveryState, Tally
from newsletter.issues.lifecycle import IssueState, WrongStep
from newsletter.issues.models import Issue
from newsletter.pages import settings
from newsletter.settings import DoubtsPolicy
from newsletter.subscribers.models import Subscriber

MOST_ATTEMPTS = 3  # of one delivery by policy: a relay that always drops the line must not flood
MAY_GO_AGAIN = Delivery.attempts < MOST_ATTEMPTS


class Decision(StrEnum):
    """What to take a doubt for."""

    DELIVERED = "delivered"
    AGAIN = "again"


class Doubt(NamedTuple):
    """A delivery that may have arrived or not: whose, since when, and what happened."""

    id: int
    address: str
    since: datetime
    answer: str


def list_doubts(issue_id: int, *, limit: int | None = None) -> list[Doubt]:
    """The deliveries of an issue that are in doubt; without any, nothing is looked through."""
    if not steering.counted(issue_id, DeliveryState.IN_DOUBT):
        return []
    rows = execute(
        select(Delivery.id, Subscriber.address, Delivery.marked_at, Delivery.answer)
        .join(Subscriber, Subscriber.id == Delivery.subscriber_id)
        .where(Delivery.issue_id == issue_id, Delivery.state == DeliveryState.IN_DOUBT)
        .order_by(Delivery.id)
        .limit(limit)
    )
    return [Doubt(*row) for row in rows]


def settle(
    issue_id: int, ids: Collection[int] | None, as_: Decision, *, who: str, now: datetime
) -> int:
    """Take doubts as delivered, or send again with the same Message-ID; says how many it settled.

    `ids` of deliveries, or None for all that are in doubt. An issue that was sent is sent on, a
    paused one goes on when it is resumed. Raises `WrongStep` for a cancelled one, of which nothing
    may leave any more: its doubts can only be taken as delivered.
    """
    which: list[ColumnElement[bool]] = [] if ids is None else [Delivery.id.in_(ids)]
    if as_ is Decision.AGAIN:
        settled = steering.queue_again(
            issue_id, DeliveryState.IN_DOUBT, *which, now=now, attempts=0
        )
        words = "in doubt, sent again"
    else:
        settled = _take_as_delivered(issue_id, which, who=who, now=now)
        words = "in doubt, taken as delivered"
    _note(who, settled, words, now=now, issue_id=issue_id, ids=ids)
    return settled


def settle_by_policy(*, now: datetime) -> int:
    """Send doubts again if the operator wants that; says how many.

    What was tried often enough waits for a person. Issues without doubts are not looked through.
    """
    if settings().doubts is not DoubtsPolicy.RESEND:
        return 0
    doubtful = (
        select(Tally.issue_id)
        .join(Issue, Issue.id == Tally.issue_id)
        .where(Issue.state != IssueState.CANCELLED)
        .group_by(Tally.issue_id)
        .having(func.sum(Tally.in_doubt) > 0)
        .order_by(Tally.issue_id)
    )
    return sum(_resend(issue_id, now=now) for issue_id in execute(doubtful).scalars().all())


def will_be_resent(issue_id: int) -> bool:
    """Whether the policy will send doubts of an issue again, so that it is not over yet."""
    if settings().doubts is not DoubtsPolicy.RESEND:
        return False
    if not steering.counted(issue_id, DeliveryState.IN_DOUBT):
        return False
    in_doubt = Delivery.state == DeliveryState.IN_DOUBT
    some = exists().where(Delivery.issue_id == issue_id, in_doubt, MAY_GO_AGAIN)
    return bool(db.session.scalar(select(some)))


def _resend(issue_id: int, *, now: datetime) -> int:
    settled = 0
    with suppress(WrongStep):  # cancelled since we looked
        settled = steering.queue_again(issue_id, DeliveryState.IN_DOUBT, MAY_GO_AGAIN, now=now)
        _note(audit.POLICY, settled, "in doubt, sent again", now=now, issue_id=issue_id)
    return settled


def _take_as_delivered(
    issue_id: int, which: list[ColumnElement[bool]], *, who: str, now: datetime
) -> int:
    said = literal(f"Taken as delivered by {who}. ") + func.coalesce(Delivery.answer, "")
    return steering.move(
        issue_id,
        DeliveryState.IN_DOUBT,
        DeliveryState.SENT,
        *which,
        settled_at=now,
        answer=said,
    )


def _note(
    who: str, settled: int, words: str, *, ids: Collection[int] | None = None, **facts: Any
) -> None:
    """A line for what was done, if anything was; of a single delivery it names which."""
    if settled:
        what = f"{settled} {'delivery' if settled == 1 else 'deliveries'} {words}."
        (only,) = ids if ids is not None and len(ids) == 1 else (None,)
        audit.note(who, what, delivery_id=only, **facts)
