"""All that we hold about one address, as proof of its consent."""

from dataclasses import dataclass

from sqlalchemy import select

from newsletter.database import db
from newsletter.mail.addresses import parse_address
from newsletter.subscribers.lookup import find
from newsletter.subscribers.models import (
    ConsentEvent,
    Subscriber,
    Subscription,
    SuppressionReason,
)
from newsletter.subscribers.suppression import reason_of
from newsletter.subscribers.wishes import slugs_of


@dataclass(frozen=True)
class Record:
    """One address; without a subscriber it is suppressed and nothing else is known.

    `sections` are the slugs chosen, none for all; `events` are in the order they happened.
    """

    subscriber: Subscriber | None
    subscription: Subscription | None
    sections: list[str]
    suppressed: SuppressionReason | None
    events: list[ConsentEvent]


def describe(address: str) -> Record | None:
    """What is known about an address, or None if nothing is; raises `BadAddress`."""
    key = parse_address(address).key
    suppressed = reason_of(key)
    subscriber = find(key)
    if subscriber is None:
        return Record(None, None, [], suppressed, []) if suppressed else None
    chosen = subscriber.subscription
    query = select(ConsentEvent).where(ConsentEvent.subscriber_id == subscriber.id)
    return Record(
        subscriber=subscriber,
        subscription=chosen,
        sections=slugs_of(chosen.choice) if chosen else [],
        suppressed=suppressed,
        events=list(db.session.scalars(query.order_by(ConsentEvent.at, ConsentEvent.id))),
    )
