"""Who reads us at the moment: the only ones who have something to choose."""

from newsletter.database import db
from newsletter.errors import NewsletterError
from newsletter.subscribers.lookup import hold
from newsletter.subscribers.models import Subscriber, SubscriberState, Subscription


class NotSubscribed(NewsletterError):
    """There is nothing to choose for somebody who has left.

    `is_known` says whether we still hold something about them, which they may have erased.
    """

    page = "not_subscribed"
    status = 410

    def __init__(self, *, is_known: bool = False) -> None:
        super().__init__("You are not subscribed (any more), so there is nothing to choose.")
        self.is_known = is_known


class Erased(NewsletterError):
    """We know nothing about this reader any more, as they wished."""

    page = "erased"
    status = 410

    def __init__(self) -> None:
        super().__init__("Everything about this reader was erased, as they wished.")


def known(subscriber_id: int) -> Subscriber:
    """Somebody we hold something about, to be looked at; raises `NotSubscribed` and `Erased`."""
    return _known(db.session.get(Subscriber, subscriber_id))


def reader(subscriber_id: int) -> Subscriber:
    """Somebody who reads us, to be looked at; raises `NotSubscribed` and `Erased`."""
    return reading(db.session.get(Subscriber, subscriber_id))


def hold_reader(subscriber_id: int) -> Subscriber:
    """Somebody who reads us, to be changed; raises `NotSubscribed` and `Erased`."""
    return reading(hold(subscriber_id))


def reading(subscriber: Subscriber | None) -> Subscriber:
    """The same subscriber, who reads us; raises `NotSubscribed` and `Erased`."""
    found = _known(subscriber)
    if found.state is not SubscriberState.CONFIRMED:
        raise NotSubscribed(is_known=True)
    return found


def chosen_by(subscriber: Subscriber) -> Subscription:
    """What a reader chose; raises `NotSubscribed` if they never did."""
    if subscriber.subscription is None:
        raise NotSubscribed(is_known=True)
    return subscriber.subscription


def _known(subscriber: Subscriber | None) -> Subscriber:
    if subscriber is None:
        raise NotSubscribed
    if subscriber.state is SubscriberState.ERASED:
        raise Erased
    return subscriber
