"""Subscribers, what they asked for and agreed to, and addresses that no issue may go to."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from newsletter.database import Base
from newsletter.issues.models import Format


class SubscriberState(StrEnum):
    """Whether somebody reads us: asked, proved from the mailbox, left, no longer known."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    UNSUBSCRIBED = "unsubscribed"
    ERASED = "erased"


class Subscriber(Base):
    """One address and its consent.

    `address` is what a mail server is told (an international domain as A-label);
    `address_key` is the same for all spellings of one mailbox and unique. Erasure blanks the
    row and keeps it, so that the counts of past issues stay true: no key, an empty address.
    No issue goes out before `paused_until`; it stands here because the mark of each delivery
    reads this row anyway.
    """

    __tablename__ = "subscriber"
    __table_args__ = (
        CheckConstraint("state <> 'confirmed' OR confirmed_at IS NOT NULL", name="is_proved"),
        CheckConstraint("state <> 'unsubscribed' OR unsubscribed_at IS NOT NULL", name="has_left"),
        CheckConstraint("state = 'erased' OR address_key IS NOT NULL", name="is_known"),
        CheckConstraint(
            "state <> 'erased' OR (address = '' AND address_key IS NULL)", name="is_forgotten"
        ),
        Index(None, "state"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str]
    address_key: Mapped[str | None] = mapped_column(unique=True)
    state: Mapped[SubscriberState] = mapped_column(default=SubscriberState.PENDING)
    created_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    unsubscribed_at: Mapped[datetime | None]
    suppressed_at: Mapped[datetime | None]
    paused_until: Mapped[datetime | None]
    subscription: Mapped["Subscription | None"] = relationship(lazy="joined")


class Subscription(Base):
    """What a subscriber chose; there from the first confirmation on.

    `choice` is a choice of sections (`issues.choice`); 0 means all, also later ones.
    """

    __tablename__ = "subscription"
    __table_args__ = (CheckConstraint("choice >= 0", name="choice_is_no_complement"),)

    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscriber.id"), primary_key=True)
    choice: Mapped[int]
    language: Mapped[str]
    format: Mapped[Format] = mapped_column(default=Format.HTML)


class Signup(Base):
    """One request to subscribe, provable by one link.

    The form writes this row and looks nothing up, so that its answer and its time are the same
    for every address; a worker answers it (`answered_at`). Never confirmed, it is forgotten.
    The link carries `nonce`, so that it belongs to this request alone.
    """

    __tablename__ = "signup"
    __table_args__ = (
        Index(
            None,
            "answered_at",
            postgresql_where=text("confirmed_at IS NULL"),
            sqlite_where=text("confirmed_at IS NULL"),
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    nonce: Mapped[int]
    address: Mapped[str]
    address_key: Mapped[str]
    choice: Mapped[int]
    language: Mapped[str]
    source: Mapped[str]
    wording: Mapped[str]
    asked_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]
    subscriber_id: Mapped[int | None] = mapped_column(ForeignKey("subscriber.id"), index=True)


class AddressChange(Base):
    """A subscriber's request to be written to elsewhere, provable by one link sent there.

    Written and answered as a signup is; `nonce` makes its link belong to this request alone.
    """

    __tablename__ = "address_change"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    nonce: Mapped[int]
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscriber.id"), index=True)
    address: Mapped[str]
    address_key: Mapped[str]
    language: Mapped[str]
    asked_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]


class LinksRequest(Base):
    """Somebody without an old mail at hand asks for their links; gone as soon as it is answered."""

    __tablename__ = "links_request"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str]
    address_key: Mapped[str]
    language: Mapped[str]
    asked_at: Mapped[datetime]


class SignupAttack(Base):
    """A time in which far more signed up than readers do; every web process sees it here.

    `because` says what was over which ceiling; `told_at` is when the editors were told.
    """

    __tablename__ = "signup_attack"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    began_at: Mapped[datetime]
    until: Mapped[datetime]
    because: Mapped[str]
    told_at: Mapped[datetime | None]


class ConsentKind(StrEnum):
    """What a subscriber did, or what was done in their name."""

    ASKED = "asked"
    CONFIRMED = "confirmed"
    IMPORTED = "imported"
    CHANGED = "changed"
    PAUSED = "paused"
    MOVED = "moved"
    UNSUBSCRIBED = "unsubscribed"
    SUPPRESSED = "suppressed"
    ERASED = "erased"


class ConsentEvent(Base):
    """One dated step of a subscriber's consent, with the words shown; only ever added to.

    `source` says where it happened (`form:/subscribe`, `api`, `import:members.csv`, `one-click`);
    `issue_id` is the issue whose mail an unsubscribe or a complaint was about.
    """

    __tablename__ = "consent_event"
    __table_args__ = (
        Index(
            None,
            "issue_id",
            postgresql_where=text("issue_id IS NOT NULL"),
            sqlite_where=text("issue_id IS NOT NULL"),
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscriber.id"), index=True)
    kind: Mapped[ConsentKind]
    at: Mapped[datetime]
    source: Mapped[str]
    wording: Mapped[str | None]
    language: Mapped[str | None]
    choice: Mapped[int | None]
    signup_id: Mapped[int | None]
    issue_id: Mapped[int | None] = mapped_column(ForeignKey("issue.id"))
    reason: Mapped[str | None]


class SuppressionReason(StrEnum):
    """Why no issue may go to an address."""

    HARD_BOUNCE = "hard_bounce"
    COMPLAINT = "complaint"
    MANUAL = "manual"
    NEVER_AGAIN = "never_again"
    ERASED = "erased"


class Suppression(Base):
    """An address that no issue may go to, kept as a keyed hash of its `address_key`."""

    __tablename__ = "suppression"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    address_hash: Mapped[bytes] = mapped_column(unique=True)
    reason: Mapped[SuppressionReason]
    suppressed_at: Mapped[datetime]


class BounceKind(StrEnum):
    """Whether a mailbox is gone, or only cannot take mail at the moment."""

    HARD = "hard"
    SOFT = "soft"


class Bounce(Base):
    """A mail that a reader's mail server would not have, with what it said.

    `status` is the enhanced code of RFC 3463; `delivery_id` is the mail it was about.
    """

    __tablename__ = "bounce"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscriber.id"), index=True)
    delivery_id: Mapped[int | None] = mapped_column(index=True)
    kind: Mapped[BounceKind]
    status: Mapped[str | None]
    text: Mapped[str]
    at: Mapped[datetime] = mapped_column(index=True)
