"""What a subscriber wants to get, changed from a link in any mail."""

from datetime import datetime

from newsletter.database import db
from newsletter.errors import NewsletterError
from newsletter.issues.models import Format
from newsletter.subscribers.lookup import hold
from newsletter.subscribers.models import (
    ConsentEvent,
    ConsentKind,
    Subscriber,
    SubscriberState,
    Subscription,
)
from newsletter.subscribers.wishes import Wish


class NotSubscribed(NewsletterError):
    """There is nothing to choose for somebody who has left."""

    page = "not_subscribed"
    status = 410

    def __init__(self) -> None:
        super().__init__("You are not subscribed (any more), so there is nothing to choose.")


class UnknownFormat(NewsletterError):
    """We send HTML or plain text, nothing else."""

    page = "unknown_format"


def preferences_of(subscriber_id: int) -> Subscription:
    """What somebody has chosen, to be looked at; raises `NotSubscribed`."""
    return _chosen_by(db.session.get(Subscriber, subscriber_id))


def change_preferences(
    subscriber_id: int, wish: Wish, chosen_format: Format, *, source: str, now: datetime
) -> Subscription:
    """Choose anew, from the next issue on; raises `NotSubscribed`."""
    subscription = _chosen_by(hold(subscriber_id))
    subscription.choice = wish.choice
    subscription.language = wish.language
    subscription.format = chosen_format
    if db.session.is_modified(subscription):
        db.session.add(
            ConsentEvent(
                subscriber_id=subscriber_id,
                kind=ConsentKind.CHANGED,
                at=now,
                source=source,
                language=wish.language,
                choice=wish.choice,
            )
        )
    return subscription


def read_format(name: str) -> Format:
    """HTML or plain text, by name; raises `UnknownFormat`."""
    try:
        return Format(name)
    except ValueError:
        raise UnknownFormat("There is no such format: choose html or text.") from None


def _chosen_by(subscriber: Subscriber | None) -> Subscription:
    if subscriber is None or subscriber.state is not SubscriberState.CONFIRMED:
        raise NotSubscribed
    if subscriber.subscription is None:
        raise NotSubscribed
    return subscriber.subscription
