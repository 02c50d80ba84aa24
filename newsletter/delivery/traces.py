"""What the ledger holds about one reader: every issue sent to them, and what their server said."""

from typing import Any

from sqlalchemy import select, update

from newsletter.database import db
from newsletter.delivery.models import Delivery, DeliveryState
from newsletter.issues.models import Issue
from newsletter.subscribers import traces

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


def blank_answers(subscriber_id: int) -> None:
    """Forget what mail servers said: they like to quote the address. Our own words stay."""
    db.session.execute(
        update(Delivery)
        .where(
            Delivery.subscriber_id == subscriber_id,
            Delivery.answer.is_not(None),
            Delivery.state != DeliveryState.SKIPPED,
        )
        .values(answer=FORGOTTEN)
    )


traces.register(traces.Traces("deliveries", deliveries_of, blank_answers))
