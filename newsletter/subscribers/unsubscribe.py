"""Leaving: always works, any number of times, and is written down once."""

from datetime import datetime

from sqlalchemy import select

from newsletter.database import db
from newsletter.issues.models import Issue
from newsletter.notices.models import NoticeKind
from newsletter.notices.owing import owe
from newsletter.pages import settings
from newsletter.subscribers.lookup import hold
from newsletter.subscribers.mails import goodbye_mail
from newsletter.subscribers.models import (
    ConsentEvent,
    ConsentKind,
    Subscriber,
    SubscriberState,
)

LONGEST_REASON = 500  # characters


def unsubscribe(
    subscriber_id: int,
    issue_id: int | None,
    *,
    source: str,
    reason: str | None = None,
    now: datetime,
) -> None:
    """Send this subscriber nothing more, and say goodbye once.

    `issue_id` names the issue whose mail it came from; one we no longer know is left out. A
    reason may also be given later. Somebody unknown or erased is gone already, as was asked.
    """
    subscriber = hold(subscriber_id)
    if subscriber is None or subscriber.state is SubscriberState.ERASED:
        return
    if subscriber.state is SubscriberState.UNSUBSCRIBED:
        _add_reason(subscriber, _tidy(reason))
        return
    was_confirmed = subscriber.state is SubscriberState.CONFIRMED
    subscriber.state = SubscriberState.UNSUBSCRIBED
    subscriber.unsubscribed_at = now
    subscriber.paused_until = None
    db.session.add(
        ConsentEvent(
            subscriber_id=subscriber.id,
            kind=ConsentKind.UNSUBSCRIBED,
            at=now,
            source=source,
            issue_id=_known(issue_id),
            reason=_tidy(reason),
        )
    )
    if was_confirmed and subscriber.suppressed_at is None:
        _say_goodbye(subscriber, now)


def _say_goodbye(subscriber: Subscriber, now: datetime) -> None:
    chosen = subscriber.subscription
    language = chosen.language if chosen else settings().default_language
    mail = goodbye_mail(subscriber, language)
    owe(NoticeKind.GOODBYE, subscriber.address, mail, language=language, now=now)


def _add_reason(subscriber: Subscriber, reason: str | None) -> None:
    """Fill in what the record of the leaving lacks; nothing in it is ever changed."""
    event = db.session.scalars(
        select(ConsentEvent)
        .where(
            ConsentEvent.subscriber_id == subscriber.id,
            ConsentEvent.kind == ConsentKind.UNSUBSCRIBED,
        )
        .order_by(ConsentEvent.id.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if event is not None and event.reason is None:
        event.reason = reason


def _known(issue_id: int | None) -> int | None:
    return db.session.scalar(select(Issue.id).where(Issue.id == issue_id))


def _tidy(reason: str | None) -> str | None:
    """One line of printable text, or nothing; a long one is cut, since leaving always works."""
    words = "".join(c if c.isprintable() else " " for c in reason or "").split()
    return " ".join(words)[:LONGEST_REASON] or None
