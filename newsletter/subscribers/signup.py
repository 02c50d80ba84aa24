"""Asking to subscribe, and proving it from the mailbox (double opt-in).

The form writes one row and looks nothing up, so that its answer and its time tell nothing about
an address; a worker answers the row by mail, or not at all. The link in that mail belongs to
this one request: it works for three days, once, and not after its reader has left.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, delete, exists, or_, select

from newsletter.database import db
from newsletter.errors import NewsletterError
from newsletter.links import BrokenLink, Purpose
from newsletter.mail.addresses import Address, parse_address
from newsletter.notices.models import NoticeKind
from newsletter.notices.owing import owe
from newsletter.pages import links
from newsletter.subscribers import caps
from newsletter.subscribers.hashes import HashPurpose, hashes
from newsletter.subscribers.lookup import hold, hold_or_create
from newsletter.subscribers.mails import confirmation_mail, welcome_mail
from newsletter.subscribers.models import (
    ConsentEvent,
    ConsentKind,
    Signup,
    Subscriber,
    SubscriberState,
    Subscription,
)
from newsletter.subscribers.suppression import FOR_GOOD, is_kept_away, lift, reason_of
from newsletter.subscribers.wishes import Wish

VALID_DAYS = 3
VALID_FOR = timedelta(days=VALID_DAYS)
NONCE_BITS = 48  # what a token has room for
SILENCE = ""  # the address of a request that was not answered
COUNTED_FOR = timedelta(hours=1)  # so long, how many asked is of interest
FORGOTTEN_AT_ONCE = 500  # rows; a transaction stays short


class ExpiredLink(NewsletterError):
    """The link was ours, but its time is over."""

    page = "expired_link"
    status = 410

    def __init__(self) -> None:
        super().__init__(f"This link worked for {VALID_DAYS} days. Please sign up again.")


class LeftSince(NewsletterError):
    """Its reader has left since, and an old link brings nobody back."""

    page = "left_since"
    status = 410


class SuppressedAddress(NewsletterError):
    """We have promised never to write to this address again."""

    page = "suppressed_address"
    status = 410

    def __init__(self) -> None:
        super().__init__("We have promised not to write to this address again.")


@dataclass(frozen=True)
class Confirmation:
    """What a press on the button came to; no news if it was pressed before."""

    subscriber: Subscriber
    is_news: bool


def request_signup(
    address: Address, wish: Wish, *, source: str, wording: str, now: datetime
) -> Signup:
    """Note that somebody asked; the same work whatever the address."""
    signup = Signup(
        nonce=nonces(address.key)[0],
        address=address.smtp,
        address_key=address.key,
        choice=wish.choice,
        language=wish.language,
        source=source,
        wording=wording,
        asked_at=now,
    )
    db.session.add(signup)
    return signup


def nonces(address_key: str) -> list[int]:
    """What the links of a request are bound to, under every key, today's first.

    It is the beginning of the hash that a suppression is kept by, so that "never again" works
    also when the request is forgotten.
    """
    found = hashes(HashPurpose.SUPPRESSION, address_key)
    return [int.from_bytes(hash_[: NONCE_BITS // 8]) for hash_ in found]


def unanswered_signups() -> list[int]:
    """The requests that wait for a worker, oldest first."""
    query = select(Signup.id).where(Signup.answered_at.is_(None), Signup.confirmed_at.is_(None))
    return list(db.session.scalars(query.order_by(Signup.id)))


def answer_signup(signup_id: int, *, now: datetime) -> None:
    """Owe a confirmation, or keep silent and forget who asked.

    The domain is kept for an hour: if silence did not count like an answer, the ceilings of the
    entrance would tell who is met with silence. Does nothing if another worker has it in hand or
    has answered it.
    """
    signup = db.session.scalars(
        select(Signup)
        .where(Signup.id == signup_id, Signup.answered_at.is_(None))
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if signup is None:
        return
    keys = caps.counting_keys(parse_address(signup.address))
    caps.hold_count(keys)
    if not may_be_asked(signup.address_key, keys, now):
        _forget_who(signup, now)
        return
    subscriber = hold_or_create(signup.address, signup.address_key, now)
    signup.subscriber_id = subscriber.id
    signup.answered_at = now
    _note(subscriber, ConsentKind.ASKED, signup, signup.asked_at)
    owe(
        NoticeKind.CONFIRMATION,
        signup.address,
        confirmation_mail(signup, subscriber, valid_days=VALID_DAYS),
        language=signup.language,
        now=now,
        counting_key=keys[0],
    )


def may_be_asked(address_key: str, keys: list[str], now: datetime) -> bool:
    """Whether one more mail may ask the owner of this mailbox something; `keys` count them.

    After a hard bounce or an erasure the mailbox may still come back, but is asked less often.
    """
    reason = reason_of(address_key)
    if reason in FOR_GOOD:
        return False
    return caps.may_ask(keys, caps.USUAL if reason is None else caps.AFTER_A_BOUNCE, now)


def find_signup(token: str, *, now: datetime) -> Signup:
    """The request that a link belongs to, to be looked at.

    Raises `BrokenLink`, or `ExpiredLink` if nobody confirmed it in time.
    """
    signup_id, nonce = links().read(Purpose.CONFIRM, token)
    return _checked(db.session.get(Signup, signup_id), nonce, now)


def confirm_signup(token: str, *, now: datetime) -> Confirmation:
    """Confirm what the link belongs to, once; what is newer than the request stays as it is.

    Raises `BrokenLink`, `ExpiredLink`, `LeftSince`, `SuppressedAddress`.
    """
    signup_id, nonce = links().read(Purpose.CONFIRM, token)
    held = db.session.scalars(
        select(Signup)
        .where(Signup.id == signup_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    signup = _checked(held, nonce, now)
    subscriber = hold(signup.subscriber_id) if signup.subscriber_id else None
    if subscriber is None:
        raise BrokenLink("This link belongs to a request that was never answered.")
    if _has_left_since(subscriber, signup):
        raise LeftSince("You left after asking for this link, so it no longer works.")
    if reason_of(signup.address_key) in FOR_GOOD:
        raise SuppressedAddress
    is_news = signup.confirmed_at is None and not _is_overtaken(signup, subscriber)
    if is_news:
        _confirm(signup, subscriber, now)
    return Confirmation(subscriber, is_news)


def forget_unconfirmed(*, now: datetime) -> int:
    """Delete requests that nobody confirmed in time, or that were not answered and count no more.

    With them goes who is known by nothing else.

    At most `FORGOTTEN_AT_ONCE` at a time; returns how many, so that the caller can go on.
    """
    signups = db.session.execute(
        select(Signup.id, Signup.subscriber_id)
        .where(
            Signup.confirmed_at.is_(None),
            or_(
                Signup.answered_at <= now - VALID_FOR,
                and_(Signup.answered_at <= now - COUNTED_FOR, Signup.address == SILENCE),
            ),
        )
        .limit(FORGOTTEN_AT_ONCE)
        .with_for_update(skip_locked=True)
    ).all()
    signup_ids = [signup_id for signup_id, _ in signups]
    subscriber_ids = {subscriber_id for _, subscriber_id in signups}
    db.session.execute(
        delete(ConsentEvent).where(
            ConsentEvent.subscriber_id.in_(subscriber_ids), ConsentEvent.signup_id.in_(signup_ids)
        )
    )
    db.session.execute(delete(Signup).where(Signup.id.in_(signup_ids)))
    _forget_strangers(subscriber_ids)
    return len(signup_ids)


def _forget_who(signup: Signup, now: datetime) -> None:
    signup.answered_at = now
    signup.address = SILENCE
    signup.address_key = "@" + signup.address_key.rpartition("@")[2]
    signup.nonce = 0


def _checked(signup: Signup | None, nonce: int, now: datetime) -> Signup:
    """The request, if it is this link's and the link still works; its days count from the mail."""
    if signup is None:  # we signed the link, so the request was there and is forgotten
        if belongs_to_suppressed(nonce):
            raise SuppressedAddress
        raise ExpiredLink
    if signup.nonce != nonce:
        raise BrokenLink("This link belongs to another request.")
    if signup.confirmed_at is None and (signup.answered_at or now) <= now - VALID_FOR:
        raise ExpiredLink
    return signup


def belongs_to_suppressed(nonce: int) -> bool:
    """Whether the address that a link with this nonce was sent to is suppressed for good."""
    return is_kept_away(nonce.to_bytes(NONCE_BITS // 8))


def _has_left_since(subscriber: Subscriber, signup: Signup) -> bool:
    return (
        subscriber.state is SubscriberState.UNSUBSCRIBED
        and subscriber.unsubscribed_at is not None
        and subscriber.unsubscribed_at >= signup.asked_at
    )


def _is_overtaken(signup: Signup, subscriber: Subscriber) -> bool:
    """Whether its reader has confirmed a newer request, or has chosen anew, in the meantime."""
    newer = exists().where(
        Signup.subscriber_id == subscriber.id,
        Signup.id > signup.id,
        Signup.confirmed_at.is_not(None),
    )
    chosen = exists().where(
        ConsentEvent.subscriber_id == subscriber.id,
        ConsentEvent.kind == ConsentKind.CHANGED,
        ConsentEvent.at > signup.asked_at,
    )
    return bool(db.session.scalar(select(newer | chosen)))


def _confirm(signup: Signup, subscriber: Subscriber, now: datetime) -> None:
    was_confirmed = subscriber.state is SubscriberState.CONFIRMED
    signup.confirmed_at = now
    subscriber.state = SubscriberState.CONFIRMED
    subscriber.confirmed_at = now
    subscriber.address = signup.address  # the spelling that is proved to arrive
    subscriber.suppressed_at = None
    subscriber.paused_until = None
    lift(signup.address_key)
    subscription = db.session.merge(
        Subscription(subscriber_id=subscriber.id, choice=signup.choice, language=signup.language)
    )
    _note(subscriber, ConsentKind.CONFIRMED, signup, now)
    caps.reset_count(caps.counting_keys(parse_address(signup.address)))
    if not was_confirmed:
        db.session.flush()
        owe(
            NoticeKind.WELCOME,
            subscriber.address,
            welcome_mail(subscriber, subscription),
            language=subscription.language,
            now=now,
        )


def _note(subscriber: Subscriber, kind: ConsentKind, signup: Signup, at: datetime) -> None:
    db.session.add(
        ConsentEvent(
            subscriber_id=subscriber.id,
            kind=kind,
            at=at,
            source=signup.source,
            wording=signup.wording,
            language=signup.language,
            choice=signup.choice,
            signup_id=signup.id,
        )
    )


def _forget_strangers(subscriber_ids: Collection[int | None]) -> None:
    """Delete those who never confirmed anything and are known by nothing else.

    Held first, so that a signup that is being answered right now is seen.
    """
    held = db.session.scalars(
        select(Subscriber.id)
        .where(Subscriber.id.in_(subscriber_ids), Subscriber.state == SubscriberState.PENDING)
        .with_for_update(skip_locked=True)
    ).all()
    db.session.execute(
        delete(Subscriber).where(
            Subscriber.id.in_(held),
            ~exists().where(Signup.subscriber_id == Subscriber.id),
            ~exists().where(ConsentEvent.subscriber_id == Subscriber.id),
        )
    )
