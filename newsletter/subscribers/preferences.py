"""What a subscriber wants to get, changed from a link in any mail."""

from datetime import datetime

from newsletter.database import db
from newsletter.errors import NewsletterError
from newsletter.issues.models import Format
from newsletter.subscribers.models import ConsentEvent, ConsentKind, Subscriber
from newsletter.subscribers.readers import chosen_by, hold_reader
from newsletter.subscribers.wishes import Wish


class UnknownFormat(NewsletterError):
    """We send HTML or plain text, nothing else."""

    page = "unknown_format"


def change_preferences(
    subscriber_id: int, wish: Wish, chosen_format: Format, *, source: str, now: datetime
) -> Subscriber:
    """Choose anew, from the next issue on; raises `NotSubscribed` and `Erased`."""
    subscriber = hold_reader(subscriber_id)
    subscription = chosen_by(subscriber)
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
    return subscriber


def read_format(name: str) -> Format:
    """HTML or plain text, by name; raises `UnknownFormat`."""
    try:
        return Format(name)
    except ValueError:
        raise UnknownFormat("There is no such format: choose html or text.") from None
