"""Send an issue again to those who failed: nobody else gets it a second time."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select

from newsletter import audit
from newsletter.database import execute
from newsletter.delivery import steering
from newsletter.delivery.models import Delivery, DeliveryState
from newsletter.subscribers.models import Subscriber


class Failure(NamedTuple):
    """A delivery that was given up: whose, when, and what the mail server said."""

    id: int
    address: str
    at: datetime
    answer: str


def list_failed(issue_id: int, *, limit: int | None = None) -> list[Failure]:
    """The deliveries of an issue that failed; without any, nothing is looked through."""
    if not steering.counted(issue_id, DeliveryState.FAILED):
        return []
    rows = execute(
        select(Delivery.id, Subscriber.address, Delivery.settled_at, Delivery.answer)
        .join(Subscriber, Subscriber.id == Delivery.subscriber_id)
        .where(Delivery.issue_id == issue_id, Delivery.state == DeliveryState.FAILED)
        .order_by(Delivery.id)
        .limit(limit)
    )
    return [Failure(*row) for row in rows]


def resend_failed(issue_id: int, *, who: str, now: datetime) -> int:
    """Queue all that failed once more, with the Message-ID and Date of before; says how many.

    Attempts are counted anew. Whoever left or was suppressed meanwhile is skipped by the mark.
    Raises `WrongStep` unless the issue is being sent, is paused or was sent.
    """
    queued = steering.queue_again(issue_id, DeliveryState.FAILED, now=now, attempts=0)
    if queued:
        readers = "1 reader" if queued == 1 else f"{queued} readers"
        audit.note(who, f"Sent again to {readers} who had failed.", now=now, issue_id=issue_id)
    return queued
