"""How often one mailbox is asked: strangers must not be able to fill it by our form.

Counted from the confirmations owed (no other notice has a counting key), over all entry points,
under a keyed hash of the address without `+tag` and Gmail's dots. A confirmed one resets the
count.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, update

from newsletter.database import db, is_sqlite
from newsletter.mail.addresses import Address
from newsletter.notices.models import Notice, NoticeKind
from newsletter.subscribers.hashes import HashPurpose, hashes

LOCK_BYTES = 8  # what PostgreSQL names a lock by


@dataclass(frozen=True)
class Cap:
    """So many unanswered confirmations in so long a time."""

    most: int
    within: timedelta


USUAL = (Cap(1, timedelta(days=1)), Cap(3, timedelta(days=30)))
AFTER_A_BOUNCE = (Cap(1, timedelta(days=30)),)


def counting_keys(address: Address) -> list[str]:
    """What the confirmations to a mailbox are counted by, under every key, today's first."""
    return [found.hex() for found in hashes(HashPurpose.COUNTING, address.folded)]


def hold_count(keys: list[str]) -> None:
    """Let nobody else count these confirmations until the transaction ends."""
    if is_sqlite():
        return  # a writer is alone anyway
    lock = int.from_bytes(bytes.fromhex(keys[0])[:LOCK_BYTES], signed=True)
    db.session.execute(select(func.pg_advisory_xact_lock(lock)))


def may_ask(
    keys: list[str], caps: tuple[Cap, ...], now: datetime, *, for_links: bool = False
) -> bool:
    """Whether one more mail stays under all caps: a confirmation, or a reader's own links.

    Each has a count of its own, or strangers could keep readers from their links by our form.
    """
    longest = max(cap.within for cap in caps)
    asked = db.session.scalars(
        select(Notice.created_at).where(
            Notice.counting_key.in_(keys),
            (Notice.kind == NoticeKind.LINKS) == for_links,
            Notice.created_at > now - longest,
        )
    ).all()
    return all(sum(at > now - cap.within for at in asked) < cap.most for cap in caps)


def reset_count(keys: list[str]) -> None:
    """The owner of the mailbox has answered: what was asked before counts no longer."""
    counted = update(Notice).where(Notice.counting_key.in_(keys))
    db.session.execute(counted.values(counting_key=None))
