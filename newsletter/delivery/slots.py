"""Sender slots: how many processes may send one issue at the same time, and which ones do.

Each function is one statement inside the caller's short transaction.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, or_, select, update

from newsletter.database import execute
from newsletter.delivery.models import SenderSlot

LEASE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Slot:
    """Leave for `holder` to send one issue."""

    issue_id: int
    number: int
    holder: str


def take_slot(issue_id: int, holder: str, now: datetime) -> Slot | None:
    """Take a free slot, or one whose holder's heart stopped; None if there is none."""
    free = (
        select(SenderSlot.slot)
        .where(SenderSlot.issue_id == issue_id, is_free(now))
        .order_by(SenderSlot.slot)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    taken = execute(
        update(SenderSlot)
        .where(SenderSlot.issue_id == issue_id, SenderSlot.slot == free.scalar_subquery())
        .values(holder=holder, alive_until=now + LEASE)
        .returning(SenderSlot.slot)
    ).scalar()
    return None if taken is None else Slot(issue_id, taken, holder)


def leave_slot(slot: Slot) -> None:
    """Free a slot."""
    execute(update(SenderSlot).where(_is_held_by(slot)).values(holder=None, alive_until=None))


def renew_slot(slot: Slot, now: datetime) -> None:
    """Say that the holder lives."""
    execute(update(SenderSlot).where(_is_held_by(slot)).values(alive_until=now + LEASE))


def is_free(now: datetime) -> ColumnElement[bool]:
    """The condition that a slot may be taken."""
    return or_(SenderSlot.alive_until.is_(None), SenderSlot.alive_until <= now)


def _is_held_by(slot: Slot) -> ColumnElement[bool]:
    return and_(
        SenderSlot.issue_id == slot.issue_id,
        SenderSlot.slot == slot.number,
        SenderSlot.holder == slot.holder,
    )
