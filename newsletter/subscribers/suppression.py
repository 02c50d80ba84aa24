"""Addresses that no issue may go to, kept as keyed hashes, so that the no outlives the address."""

from datetime import datetime

from sqlalchemy import ColumnElement, delete, select, update

from newsletter.database import db
from newsletter.subscribers.hashes import HashPurpose, hashes
from newsletter.subscribers.lookup import hold_address, insert_unless_there
from newsletter.subscribers.models import (
    ConsentEvent,
    ConsentKind,
    Suppression,
    SuppressionReason,
)

HASH_BYTES = 32
FOR_GOOD = frozenset(
    {SuppressionReason.COMPLAINT, SuppressionReason.MANUAL, SuppressionReason.NEVER_AGAIN}
)
"""Reasons that stop confirmations too; after a hard bounce or an erasure people may come back."""


def suppress(
    address_key: str,
    reason: SuppressionReason,
    *,
    source: str,
    issue_id: int | None = None,
    now: datetime,
) -> None:
    """Let no issue go to an address any more; a reason for good is never weakened by a bounce.

    `issue_id` is the issue whose mail was the occasion, if one was.
    """
    subscriber = hold_address(address_key)  # first, as whoever confirms does
    if reason_of(address_key) in {reason, *FOR_GOOD}:
        return
    remember(address_key, reason, now)
    if subscriber is None:
        return
    subscriber.suppressed_at = now
    db.session.add(
        ConsentEvent(
            subscriber_id=subscriber.id,
            kind=ConsentKind.SUPPRESSED,
            at=now,
            source=source,
            reason=reason,
            issue_id=issue_id,
        )
    )


def remember(address_key: str, reason: SuppressionReason, now: datetime) -> None:
    """Keep the hash of a held address with a reason, unless there is one for good already."""
    row = {
        "address_hash": hashes(HashPurpose.SUPPRESSION, address_key)[0],
        "reason": reason,
        "suppressed_at": now,
    }
    db.session.execute(insert_unless_there(Suppression), [row])
    db.session.execute(
        update(Suppression)
        .where(is_of(address_key), Suppression.reason.not_in(FOR_GOOD))
        .values(reason=reason)
    )


def reason_of(address_key: str) -> SuppressionReason | None:
    """Why no issue may go to an address, or None if it may."""
    reasons = db.session.scalars(select(Suppression.reason).where(is_of(address_key))).all()
    return next((reason for reason in reasons if reason in FOR_GOOD), next(iter(reasons), None))


def is_kept_away(start: bytes) -> bool:
    """Whether an address whose hash begins with these octets is suppressed for good."""
    query = select(Suppression.id).where(
        Suppression.address_hash.between(
            start.ljust(HASH_BYTES, b"\0"), start.ljust(HASH_BYTES, b"\xff")
        ),
        Suppression.reason.in_(FOR_GOOD),
    )
    return db.session.scalars(query.limit(1)).one_or_none() is not None


def suppressed_among(address_keys: list[str]) -> set[str]:
    """Those of many addresses that no issue may go to."""
    key_of = {
        found: address_key
        for address_key in address_keys
        for found in hashes(HashPurpose.SUPPRESSION, address_key)
    }
    query = select(Suppression.address_hash).where(Suppression.address_hash.in_(key_of))
    return {key_of[found] for found in db.session.scalars(query)}


def lift(address_key: str) -> None:
    """Forget a hard bounce or an erasure: the mailbox lives, and its owner has come back."""
    db.session.execute(
        delete(Suppression).where(is_of(address_key), Suppression.reason.not_in(FOR_GOOD))
    )


def is_of(address_key: str) -> ColumnElement[bool]:
    """The condition that a suppression is of this address, under whichever key."""
    return Suppression.address_hash.in_(hashes(HashPurpose.SUPPRESSION, address_key))
