"""Change the address that issues go to, proved from the new mailbox and announced to the old.

Asking works as a signup does: the form writes one row and looks nothing up, a worker answers it
by mail to the new mailbox, or not at all. So it tells nobody who else reads us.
"""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete, func, or_, select

from newsletter.database import db
from newsletter.errors import NewsletterError
from newsletter.links import BrokenLink, Purpose
from newsletter.mail.addresses import Address, parse_address
from newsletter.notices.models import NoticeKind
from newsletter.notices.owing import owe
from newsletter.pages import links
from newsletter.subscribers import caps
from newsletter.subscribers.erasure import blank, hold_requests
from newsletter.subscribers.lookup import hold_all
from newsletter.subscribers.mails import address_changed_mail, new_address_mail
from newsletter.subscribers.models import (
    AddressChange,
    ConsentEvent,
    ConsentKind,
    Signup,
    Subscriber,
    SubscriberState,
)
from newsletter.subscribers.readers import chosen_by, reader, reading
from newsletter.subscribers.signup import (
    FORGOTTEN_AT_ONCE,
    NONCE_BITS,
    VALID_DAYS,
    VALID_FOR,
    SuppressedAddress,
    may_be_asked,
)
from newsletter.subscribers.suppression import FOR_GOOD, lift, reason_of

SOURCE = "page:/new-address"
MOST_A_DAY = 3  # strangers that one reader's link may make us write to


class ExpiredChange(NewsletterError):
    """The link to a new mailbox was ours, but its time is over."""

    page = "expired_change"
    status = 410

    def __init__(self) -> None:
        super().__init__(f"This link worked for {VALID_DAYS} days. Your address is as it was.")


class TakenAddress(NewsletterError):
    """The new mailbox has a subscription of its own."""

    page = "taken_address"
    status = 409


def request_change(subscriber_id: int, address: Address, *, now: datetime) -> AddressChange:
    """Note that a reader wants to be written to elsewhere; the same work whatever the address.

    Raises `NotSubscribed` and `Erased`.
    """
    subscriber = reader(subscriber_id)
    change = AddressChange(
        nonce=secrets.randbits(NONCE_BITS),
        subscriber_id=subscriber.id,
        address=address.smtp,
        address_key=address.key,
        language=chosen_by(subscriber).language,
        asked_at=now,
    )
    db.session.add(change)
    return change


def unanswered_changes() -> list[int]:
    """The requests that wait for a worker, oldest first."""
    query = select(AddressChange.id).where(AddressChange.answered_at.is_(None))
    return list(db.session.scalars(query.order_by(AddressChange.id)))


def answer_change(change_id: int, *, now: datetime) -> None:
    """Owe a mail to the new mailbox, or keep silent and forget that anybody asked.

    Does nothing if another worker has it in hand or has answered it.
    """
    change = db.session.scalars(
        select(AddressChange)
        .where(AddressChange.id == change_id, AddressChange.answered_at.is_(None))
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if change is None:
        return
    keys = caps.counting_keys(parse_address(change.address))
    caps.hold_count(keys)
    if _is_over_cap(change, now) or not may_be_asked(change.address_key, keys, now):
        db.session.delete(change)
        return
    change.answered_at = now
    owe(
        NoticeKind.ADDRESS_CHANGE,
        change.address,
        new_address_mail(change, valid_days=VALID_DAYS),
        language=change.language,
        now=now,
        counting_key=keys[0],
    )


def find_change(token: str, *, now: datetime) -> AddressChange:
    """The request that a link belongs to; raises `BrokenLink` and `ExpiredChange`."""
    change_id, nonce = links().read(Purpose.NEW_ADDRESS, token)
    change = db.session.get(AddressChange, change_id, populate_existing=True)
    return _checked(change, nonce, now)


def confirm_change(token: str, *, now: datetime) -> bool:
    """Let issues go to the new mailbox, once; says whether that is news.

    Raises `BrokenLink`, `ExpiredChange`, `NotSubscribed`, `Erased`, `SuppressedAddress`, and
    `TakenAddress` if the new mailbox reads us by itself.
    """
    subscriber, before = _hold_both(find_change(token, now=now))
    change = find_change(token, now=now)  # nobody else can change it any more
    if change.confirmed_at is not None:
        return False
    if reason_of(change.address_key) in FOR_GOOD:
        raise SuppressedAddress
    if before is not None:
        if before.state is SubscriberState.CONFIRMED:
            raise TakenAddress("This mailbox has a subscription of its own already.")
        change.confirmed_at = now  # so that what is forgotten with the other row is not this
        blank(before, source=SOURCE, now=now)
    change.confirmed_at = now
    _move(subscriber, change, now)
    return True


def forget_changes(*, now: datetime) -> int:
    """Delete changes whose links are over; at most `FORGOTTEN_AT_ONCE`, says how many."""
    over = select(AddressChange.id).where(AddressChange.answered_at <= now - VALID_FOR)
    ids = db.session.scalars(over.limit(FORGOTTEN_AT_ONCE).with_for_update(skip_locked=True)).all()
    db.session.execute(delete(AddressChange).where(AddressChange.id.in_(ids)))
    return len(ids)


def _is_over_cap(change: AddressChange, now: datetime) -> bool:
    answered = select(func.count()).where(
        AddressChange.subscriber_id == change.subscriber_id,
        AddressChange.answered_at > now - timedelta(days=1),
    )
    return db.session.scalars(answered).one() >= MOST_A_DAY


def _checked(change: AddressChange | None, nonce: int, now: datetime) -> AddressChange:
    if change is None:  # we signed the link, so the request was there and is forgotten
        raise ExpiredChange
    if change.nonce != nonce:
        raise BrokenLink("This link belongs to another request.")
    if change.confirmed_at is None and (change.answered_at or now) <= now - VALID_FOR:
        raise ExpiredChange
    return change


def _hold_both(change: AddressChange) -> tuple[Subscriber, Subscriber | None]:
    """The reader who moves, and who else the new address belongs to, if anybody."""
    both = or_(Subscriber.id == change.subscriber_id, Subscriber.address_key == change.address_key)
    hold_requests(db.session.scalars(select(Subscriber.id).where(both)).all())
    held = {subscriber.id: subscriber for subscriber in hold_all(both)}
    subscriber = reading(held.pop(change.subscriber_id, None))
    return subscriber, next(iter(held.values()), None)


def _move(subscriber: Subscriber, change: AddressChange, now: datetime) -> None:
    """What is known of the old address goes, but for the word to it that it is one no longer."""
    language = chosen_by(subscriber).language
    is_elsewhere = subscriber.address_key != change.address_key
    if is_elsewhere and subscriber.suppressed_at is None:
        mail = address_changed_mail(language)
        owe(NoticeKind.ADDRESS_CHANGED, subscriber.address, mail, language=language, now=now)
    subscriber.address = change.address
    subscriber.address_key = change.address_key
    subscriber.suppressed_at = None
    lift(change.address_key)
    caps.reset_count(caps.counting_keys(parse_address(change.address)))
    others = AddressChange.subscriber_id == subscriber.id, AddressChange.id != change.id
    db.session.execute(delete(AddressChange).where(*others))
    db.session.execute(
        delete(Signup).where(
            Signup.subscriber_id == subscriber.id, Signup.address_key != change.address_key
        )
    )
    db.session.add(
        ConsentEvent(subscriber_id=subscriber.id, kind=ConsentKind.MOVED, at=now, source=SOURCE)
    )
