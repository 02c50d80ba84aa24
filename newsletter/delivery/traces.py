"""What the ledger holds about one reader: every issue sent to them, and what their server said."""

from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from newsletter.database import db, execute
from newsletter.delivery.models import Delivery, DeliveryState
from newsletter.delivery.steering import move
from newsletter.issues.models import Issue
from newsletter.subscribers import traces

SKIPPED = "The reader was erased after sending had started."
FORGOTTEN = "The reader was erased, and what was said about them is forgotten."


def deliveries_of(subscriber_id: int) -> list[dict[str, Any]]:
    """All deliveries to a subscriber, the oldest issue first."""
    query = (
        select(
            Issue.number.label("issue"),
            Delivery.state,
            Delivery.attempts,
            Delivery.dated_at,
            Delivery.marked_at,
            Delivery.due_at,
            Delivery.settled_at,
            Delivery.answer,
        )
        .join(Issue, Issue.id == Delivery.issue_id)
        .where(Delivery.subscriber_id == subscriber_id)
        .order_by(Issue.number)
    )
    return [dict(row) for row in db.session.execute(query).mappings()]


def last_issue_to(subscriber_id: int) -> Issue | None:
    """The issue that a subscriber got last, or may have got."""
    query = (
        select(Issue)
        .join(Delivery, Delivery.issue_id == Issue.id)
        .where(
            Delivery.subscriber_id == subscriber_id,
            Delivery.state.in_([DeliveryState.SENT, DeliveryState.IN_DOUBT]),
        )
        .order_by(Issue.sending_started_at.desc(), Issue.number.desc())
        .limit(1)
    )
    return db.session.scalars(query).one_or_none()


def blank_deliveries(subscriber_id: int, now: datetime) -> None:
    """Skip what still waits, and forget what mail servers said: they like to quote the address.

    What a sender is writing down at this moment is left for the next time: waiting for each other,
    one of them would be the loser.
    """
    free = (
        select(Delivery.id)
        .where(Delivery.subscriber_id == subscriber_id)
        .with_for_update(skip_locked=True)
    )
    waits = Delivery.state == DeliveryState.QUEUED
    issues = select(Delivery.issue_id).where(Delivery.subscriber_id == subscriber_id, waits)
    for issue_id in execute(issues).scalars().all():
        move(
            issue_id,
            DeliveryState.QUEUED,
            DeliveryState.SKIPPED,
            Delivery.id.in_(free.where(Delivery.issue_id == issue_id, waits)),
            settled_at=now,
            due_at=None,
            answer=SKIPPED,
        )
    theirs = free.where(Delivery.answer.is_not(None), Delivery.state != DeliveryState.SKIPPED)
    execute(update(Delivery).where(Delivery.id.in_(theirs)).values(answer=FORGOTTEN))


traces.register(traces.Traces("deliveries", deliveries_of, blank_deliveries))
