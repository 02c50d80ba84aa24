"""The statements of the sending path: slots, leases, marks, answers, tallies.

Each function is one or two statements inside the caller's short transaction; no object is made
per delivery. A lease is checked by every statement that writes under it, and shared-locked where
PostgreSQL would let it run out meanwhile, so whoever lost it changes nothing any more.
Every change of state moves the tally in the same transaction: its sums are the counts.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Executable,
    and_,
    case,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    update,
)

from newsletter.database import db
from newsletter.delivery.models import Batch, Delivery, DeliveryState, SenderSlot, Tally
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Issue
from newsletter.subscribers.models import Subscriber, SubscriberState

LEASE = timedelta(seconds=30)

LEFT = "The reader left after sending had started."
DIED = "The process that sent it ended before the answer was written down."
SUPPRESSED = "The address was suppressed after sending had started."


@dataclass(frozen=True, slots=True)
class Slot:
    """Leave for `holder` to send one issue."""

    issue_id: int
    number: int
    holder: str


@dataclass(frozen=True, slots=True)
class Lease:
    """A batch in the hands of one slot, as long as nobody took it with a higher fence."""

    slot: Slot
    batch_id: int
    edition_id: int
    fence: int


class Waiting(NamedTuple):
    """A delivery that waits in a leased batch."""

    id: int
    subscriber_id: int
    address: str
    attempts: int


class Cleared(NamedTuple):
    """The deliveries that may leave now, with their Date; and whether the batch goes on.

    It does not when the issue is paused or cancelled, or the lease is lost.
    """

    dated_at: Mapping[int, datetime]
    goes_on: bool


class Verdict(NamedTuple):
    """What an answer means for a delivery; `due_at` only where it is queued again."""

    delivery_id: int
    state: DeliveryState
    answer: str
    due_at: datetime | None = None


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


def rest_slot(slot: Slot, until: datetime, now: datetime) -> bool:
    """Free a slot after a rest: nobody takes it before; says whether no other rests already.

    All slots of the issue are locked, so that of several at once one is the first.
    """
    of_issue = select(SenderSlot.holder, SenderSlot.alive_until).where(
        SenderSlot.issue_id == slot.issue_id
    )
    slots = execute(of_issue.order_by(SenderSlot.slot).with_for_update()).all()
    execute(update(SenderSlot).where(_is_held_by(slot)).values(holder=None, alive_until=until))
    return not any(
        holder is None and alive_until is not None and alive_until > now
        for holder, alive_until in slots
    )


def is_free(now: datetime) -> ColumnElement[bool]:
    """The condition that a slot may be taken."""
    return or_(SenderSlot.alive_until.is_(None), SenderSlot.alive_until <= now)


def claim(slot: Slot, now: datetime) -> Lease | None:
    """Lease the first free batch of an issue that is being sent; None if there is none."""
    free = (
        select(Batch.id)
        .join(Issue, Issue.id == Batch.issue_id)
        .where(Batch.issue_id == slot.issue_id, is_claimable())
        .order_by(Batch.id)
        .limit(1)
        .with_for_update(of=Batch, skip_locked=True)
    )
    taken = execute(
        update(Batch)
        .where(Batch.id == free.scalar_subquery())
        .values(lease_until=now + LEASE, fence=Batch.fence + 1)
        .returning(Batch.id, Batch.edition_id, Batch.fence)
    ).first()
    return Lease(slot, *taken) if taken else None


def is_claimable() -> ColumnElement[bool]:
    """The condition that a batch, joined with its issue, may be taken."""
    return and_(
        Batch.finished_at.is_(None),
        Batch.lease_until.is_(None),
        Issue.state == IssueState.SENDING,
    )


def beat(slot: Slot, lease: Lease | None, now: datetime) -> None:
    """Say that this process lives: renew its slot and the lease it holds."""
    execute(update(SenderSlot).where(_is_held_by(slot)).values(alive_until=now + LEASE))
    if lease:
        execute(
            update(Batch)
            .where(_is_ours(lease), Batch.lease_until.is_not(None))
            .values(lease_until=now + LEASE)
        )


def waiting(lease: Lease) -> list[Waiting]:
    """The deliveries of a batch that nobody has tried yet, in order."""
    rows = execute(
        select(Delivery.id, Delivery.subscriber_id, Subscriber.address, Delivery.attempts)
        .join(Subscriber, Subscriber.id == Delivery.subscriber_id)
        .where(_waits(lease.batch_id))
        .order_by(Delivery.id)
    )
    return [Waiting(*row) for row in rows]


def mark(lease: Lease, deliveries: Collection[Waiting], now: datetime) -> Cleared:
    """Note that these may leave now; skip those whose readers left or were suppressed."""
    ids = {delivery.id for delivery in deliveries}
    ours = (_waits(lease.batch_id), _is_held(lease))
    marked = execute(
        update(Delivery)
        .where(Delivery.id.in_(ids), *ours, _is_being_sent(lease.slot.issue_id), _still_reads())
        .values(
            state=DeliveryState.SENDING,
            marked_at=now,
            dated_at=func.coalesce(Delivery.dated_at, literal(now, Delivery.dated_at.type)),
            attempts=Delivery.attempts + 1,
        )
        .returning(Delivery.id, Delivery.dated_at)
    )
    dated_at = {row.id: row.dated_at for row in marked}
    skipped = 0
    if refused := ids - dated_at.keys():
        skipped = len(
            execute(
                update(Delivery)
                .where(Delivery.id.in_(refused), *ours, ~_still_reads())
                .values(state=DeliveryState.SKIPPED, settled_at=now, answer=_why_skipped())
                .returning(Delivery.id)
            ).all()
        )
    count(
        lease.slot.issue_id,
        lease.slot.number,
        {
            DeliveryState.QUEUED: -len(dated_at) - skipped,
            DeliveryState.SENDING: len(dated_at),
            DeliveryState.SKIPPED: skipped,
        },
    )
    return Cleared(dated_at, goes_on=len(dated_at) + skipped == len(ids))


def record(lease: Lease, verdicts: Sequence[Verdict], now: datetime) -> None:
    """Write down what became of marked deliveries; an answer that came late settles a doubt."""
    by_state: dict[DeliveryState, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        by_state[verdict.state].append(verdict)
    changes: Counter[DeliveryState] = Counter()
    for state, unsettled in by_state.items():
        for before in (DeliveryState.SENDING, DeliveryState.IN_DOUBT):
            settled = _settle(lease, unsettled, before, now)
            changes[before] -= len(settled)
            changes[state] += len(settled)
            unsettled[:] = [v for v in unsettled if v.delivery_id not in settled]
            if not unsettled:
                break
    count(lease.slot.issue_id, lease.slot.number, changes)


def give_back(lease: Lease, now: datetime) -> None:
    """End a lease; the batch is finished if nothing in it waits any more."""
    execute(
        update(Batch)
        .where(_is_ours(lease))
        .values(
            lease_until=None,
            finished_at=case(
                (exists().where(_waits(Batch.id)), null()),
                else_=literal(now, Batch.finished_at.type),
            ),
        )
    )


def count(issue_id: int, slot: int, changes: Mapping[DeliveryState, int]) -> None:
    """Move the tally of a slot; the changes of all states add up to zero."""
    columns = {getattr(Tally, state): change for state, change in changes.items() if change}
    if columns:
        execute(
            update(Tally)
            .where(Tally.issue_id == issue_id, Tally.slot == slot)
            .values({column: column + change for column, change in columns.items()})
        )


def execute(statement: Executable) -> CursorResult[*tuple[Any, ...]]:
    """Run a statement in the open transaction, past the unit of work."""
    return db.session.connection().execute(statement)


def _settle(
    lease: Lease, verdicts: Sequence[Verdict], before: DeliveryState, now: datetime
) -> set[int]:
    """Move deliveries from one state to that of their verdicts, all the same; says which moved."""
    state = verdicts[0].state
    values: dict[str, Any] = {
        "state": state,
        "answer": case({v.delivery_id: v.answer for v in verdicts}, value=Delivery.id),
    }
    if state is DeliveryState.QUEUED:
        values["due_at"] = case(
            {v.delivery_id: literal(v.due_at, Delivery.due_at.type) for v in verdicts},
            value=Delivery.id,
        )
    elif state is not DeliveryState.IN_DOUBT:
        values["settled_at"] = now
    return set(
        execute(
            update(Delivery)
            .where(
                Delivery.id.in_([v.delivery_id for v in verdicts]),
                Delivery.state == before,
                _is_held(lease),
            )
            .values(values)
            .returning(Delivery.id)
        ).scalars()
    )


def _is_held_by(slot: Slot) -> ColumnElement[bool]:
    return and_(
        SenderSlot.issue_id == slot.issue_id,
        SenderSlot.slot == slot.number,
        SenderSlot.holder == slot.holder,
    )


def _is_ours(lease: Lease) -> ColumnElement[bool]:
    return and_(Batch.id == lease.batch_id, Batch.fence == lease.fence, Batch.finished_at.is_(None))


def _is_held(lease: Lease) -> ColumnElement[bool]:
    """A delivery's batch is ours and stays so until we commit."""
    return Delivery.batch_id.in_(select(Batch.id).where(_is_ours(lease)).with_for_update(read=True))


def _waits(batch_id: Any) -> ColumnElement[bool]:
    return and_(
        Delivery.batch_id == batch_id,
        Delivery.state == DeliveryState.QUEUED,
        Delivery.due_at.is_(None),
    )


def _is_being_sent(issue_id: int) -> ColumnElement[bool]:
    return exists().where(Issue.id == issue_id, Issue.state == IssueState.SENDING)


def _still_reads() -> ColumnElement[bool]:
    return exists().where(
        Subscriber.id == Delivery.subscriber_id,
        Subscriber.state == SubscriberState.CONFIRMED,
        Subscriber.suppressed_at.is_(None),
    )


def _why_skipped() -> ColumnElement[str]:
    return (
        select(case((Subscriber.suppressed_at.is_not(None), SUPPRESSED), else_=LEFT))
        .where(Subscriber.id == Delivery.subscriber_id)
        .scalar_subquery()
    )
