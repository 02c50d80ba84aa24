"""Forget a reader: at once, and all but a keyed hash that keeps the address off every list.

The row stays, blank, so that the counts of past issues stay true; so do the dated steps of the
consent, without anything that tells whose they were.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, delete, func, or_, select, update

from newsletter.database import db
from newsletter.mail.addresses import parse_address
from newsletter.notices.models import Notice, NoticeKind
from newsletter.subscribers import caps, traces
from newsletter.subscribers.lookup import hold
from newsletter.subscribers.models import (
    AddressChange,
    Bounce,
    ConsentEvent,
    ConsentKind,
    LinksRequest,
    Signup,
    Subscriber,
    SubscriberState,
    Subscription,
    SuppressionReason,
)
from newsletter.subscribers.suppression import remember
from newsletter.subscribers.waiting_mails import wait_for

TO_EDITORS = (NoticeKind.ISSUE_TEST, NoticeKind.ALARM)
IMPORT = "import"  # in place of a source that names a file, or what its line said


def erase(subscriber_id: int, *, source: str, now: datetime) -> None:
    """Erase all that we hold about somebody; who is gone already stays so.

    A reason for good ("never again", a complaint) outlives the erasure. Nothing is mailed.
    """
    hold_requests([subscriber_id])
    subscriber = hold(subscriber_id)
    if subscriber is None or subscriber.address_key is None:
        return
    address_key = subscriber.address_key
    blank(subscriber, source=source, now=now)
    remember(address_key, SuppressionReason.ERASED, now)


def hold_requests(subscriber_ids: Collection[int]) -> None:
    """Hold what subscribers asked for before they are held, as whoever confirms or answers does."""
    keys = select(Subscriber.address_key).where(Subscriber.id.in_(subscriber_ids))
    for asked in (AddressChange, Signup):
        theirs = or_(asked.subscriber_id.in_(subscriber_ids), asked.address_key.in_(keys))
        query = select(asked.id).where(theirs).order_by(asked.id)
        db.session.execute(query.with_for_update())


def blank(subscriber: Subscriber, *, source: str, now: datetime) -> None:
    """Blank a held subscriber, and all rows that could tell who it was."""
    address, address_key = subscriber.address, subscriber.address_key
    subscriber.state = SubscriberState.ERASED
    subscriber.address = ""
    subscriber.address_key = None
    subscriber.paused_until = None
    db.session.flush()
    if address_key is not None:
        _forget_requests(subscriber.id, address_key)
        _forget_mails(address_key)
        caps.reset_count(caps.counting_keys(parse_address(address)))
    db.session.execute(delete(Subscription).where(Subscription.subscriber_id == subscriber.id))
    _blank_record(subscriber.id)
    _blank_words(subscriber.id, now)
    db.session.add(
        ConsentEvent(subscriber_id=subscriber.id, kind=ConsentKind.ERASED, at=now, source=source)
    )
    db.session.flush()
    db.session.expire(subscriber, ["subscription"])


def blank_late_words(*, since: datetime, now: datetime) -> None:
    """Blank again what mail servers have said about readers who were erased since then.

    A mail may have been on the wire while its reader was erased.
    """
    erased = select(ConsentEvent.subscriber_id).where(
        ConsentEvent.kind == ConsentKind.ERASED, ConsentEvent.at > since
    )
    for subscriber_id in db.session.scalars(erased).all():
        _blank_words(subscriber_id, now)


def _forget_requests(subscriber_id: int, address_key: str) -> None:
    """What somebody asked for, also through forms that no worker has looked at yet."""
    db.session.execute(
        delete(Signup).where(
            or_(Signup.subscriber_id == subscriber_id, Signup.address_key == address_key)
        )
    )
    unconfirmed = and_(
        AddressChange.address_key == address_key, AddressChange.confirmed_at.is_(None)
    )
    moves = db.session.scalars(
        delete(AddressChange)
        .where(or_(AddressChange.subscriber_id == subscriber_id, unconfirmed))
        .returning(AddressChange.address_key)
    ).all()
    _forget_mails_to(moves, Notice.kind == NoticeKind.ADDRESS_CHANGE)
    db.session.execute(delete(LinksRequest).where(LinksRequest.address_key == address_key))


def _forget_mails(address_key: str) -> None:
    """Mails that have not left, and what was said about those that have."""
    _forget_mails_to([address_key], Notice.kind.not_in(TO_EDITORS))
    db.session.execute(
        update(Notice)
        .where(func.lower(Notice.answer).contains(address_key, autoescape=True))
        .values(answer=None)
    )


def _forget_mails_to(address_keys: Collection[str], which: ColumnElement[bool]) -> None:
    db.session.execute(delete(Notice).where(wait_for(address_keys), which))


def _blank_record(subscriber_id: int) -> None:
    """Keep the steps of a consent without free text."""
    imported = ConsentEvent.kind == ConsentKind.IMPORTED
    db.session.execute(
        update(ConsentEvent)
        .where(ConsentEvent.subscriber_id == subscriber_id)
        .values(reason=None, source=case((imported, IMPORT), else_=ConsentEvent.source))
    )


def _blank_words(subscriber_id: int, now: datetime) -> None:
    db.session.execute(update(Bounce).where(Bounce.subscriber_id == subscriber_id).values(text=""))
    traces.blank(subscriber_id, now)
