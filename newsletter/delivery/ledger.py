"""The statements of the sending path: leases, marks, answers, tallies.

A sender writes down what happened in one `Entry` per short transaction: the answers to the last
dots, the marks of the next deliveries, and the tally once for all of them, so that its sums are
the counts, always. The statements are made once, when this module is read, and take a whole group
as one parameter; no object is made per delivery.

Everything written under a lease checks it, and shared-locks it where PostgreSQL would let it run
out meanwhile: whoever lost it changes nothing any more.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    null,
    or_,
    select,
    update,
)

from newsletter.database import execute
from newsletter.delivery.models import Batch, Delivery, DeliveryState, Tally
from newsletter.delivery.parameters import given_numbers, given_rows
from newsletter.delivery.prepared import Prepared
from newsletter.delivery.slots import LEASE, Slot
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Issue
from newsletter.subscribers.models import Bounce, BounceKind, Subscriber, SubscriberState

LEFT = "The reader left after sending had started."
DIED = "The process that sent it ended before the answer was written down."
PAUSED = "The reader paused after sending had started."
SUPPRESSED = "The address was suppressed after sending had started."

_BEFORE_MARK = (DeliveryState.QUEUED,)
_AFTER_MARK = (DeliveryState.SENDING, DeliveryState.IN_DOUBT)


@dataclass(frozen=True, slots=True, eq=False)  # two claims of one batch are two leases
class Lease:
    """A batch in the hands of one slot, as long as nobody took it with a higher fence.

    `dated_at` is the Date of those of its messages that are tried for the first time.
    """

    slot: Slot
    batch_id: int
    edition_id: int
    fence: int
    dated_at: datetime


class Waiting(NamedTuple):
    """A delivery that waits in a leased batch."""

    id: int
    subscriber_id: int
    address: str
    attempts: int
    dated_at: datetime | None


class Cleared(NamedTuple):
    """The deliveries that may leave now; and whether sending goes on.

    It does not when the issue is paused or cancelled, or the lease is lost.
    """

    ids: frozenset[int]
    goes_on: bool


class BounceNote(NamedTuple):
    """What to keep of a mail that a reader's mail server would not have."""

    kind: BounceKind
    subscriber_id: int
    status: str | None


class Verdict(NamedTuple):
    """What an answer means for a delivery; `due_at` only where it is queued again."""

    delivery_id: int
    state: DeliveryState
    answer: str
    due_at: datetime | None = None
    bounce: BounceNote | None = None


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
    if taken is None:
        return None
    batch_id, edition_id, fence = taken
    return Lease(slot, batch_id, edition_id, fence, dated_at=now.replace(microsecond=0))


def is_claimable() -> ColumnElement[bool]:
    """The condition that a batch, joined with its issue, may be taken."""
    return and_(
        Batch.finished_at.is_(None),
        Batch.lease_until.is_(None),
        Issue.state == IssueState.SENDING,
    )


def renew(leases: Collection[Lease], now: datetime) -> None:
    """Say that the process that holds these batches lives; a lost lease does not come back."""
    held = or_(*(and_(Batch.id == lease.batch_id, Batch.fence == lease.fence) for lease in leases))
    if leases:
        execute(
            update(Batch)
            .where(held, Batch.finished_at.is_(None), Batch.lease_until.is_not(None))
            .values(lease_until=now + LEASE)
        )


def waiting(lease: Lease) -> list[Waiting]:
    """The deliveries of a batch that may be tried, in order."""
    rows = execute(
        select(
            Delivery.id,
            Delivery.subscriber_id,
            Subscriber.address,
            Delivery.attempts,
            Delivery.dated_at,
        )
        .join(Subscriber, Subscriber.id == Delivery.subscriber_id)
        .where(Delivery.batch_id == lease.batch_id, _waits())
        .order_by(Delivery.id)
    )
    return [Waiting(*row) for row in rows]


@contextmanager
def entry(slot: Slot, now: datetime) -> Iterator["Entry"]:
    """What one sender writes down in the open transaction; at its end the tally moves."""
    new = Entry(slot, now)
    yield new
    count(slot.issue_id, slot.number, new.changes)


class Entry:
    """What one sender writes down at one moment; made by `entry`."""

    def __init__(self, slot: Slot, now: datetime) -> None:
        self.changes: Counter[DeliveryState] = Counter()
        self._slot = slot
        self._now = now

    def mark(self, lease: Lease, ids: Collection[int], *, is_repeated: bool = False) -> Cleared:
        """Note that these may leave now; skip those whose readers left, pause or were suppressed.

        `is_repeated`: the same was tried before and nobody knows whether it was committed. Since
        none of them has left, those that are marked under our lease may leave.
        """
        held = {"ids": list(ids), **_hold(lease)}
        of_issue = lease.slot.issue_id
        values = {**held, "now": self._now, "dated": lease.dated_at, "held_issue": of_issue}
        cleared = frozenset(_MARK.ids(values))
        self._move(DeliveryState.QUEUED, DeliveryState.SENDING, len(cleared))
        if is_repeated:
            cleared = frozenset(_MARKED.ids(held))
        skipped = 0
        if len(cleared) < len(ids):
            skipped = len(_SKIP.ids({**held, "now": self._now}))
            self._move(DeliveryState.QUEUED, DeliveryState.SKIPPED, skipped)
        return Cleared(cleared, goes_on=len(cleared) + skipped == len(ids))

    def record(self, lease: Lease, verdicts: Iterable[Verdict], *, were_marked: bool) -> None:
        """Write down what became of deliveries; a late answer to a marked one settles its doubt.

        Those whose envelope was answered before their mark were not marked.
        """
        alike: dict[tuple[DeliveryState, datetime | None], dict[int, Verdict]] = defaultdict(dict)
        for verdict in verdicts:
            alike[verdict.state, verdict.due_at][verdict.delivery_id] = verdict
        for unsettled in alike.values():
            for before in _AFTER_MARK if were_marked else _BEFORE_MARK:
                if unsettled:
                    self._settle(lease, unsettled, before)

    def postpone(self, lease: Lease, due: Mapping[int, datetime]) -> None:
        """Let deliveries wait that were not tried; they are no further for it."""
        for delivery_id, due_at in due.items():
            _POSTPONE.ids({"ids": [delivery_id], "due": due_at, **_hold(lease)})

    def give_back(self, lease: Lease) -> None:
        """End a lease; the batch is finished if nothing in it waits any more."""
        _GIVE_BACK.ids({"now": self._now, **_hold(lease)})

    def _settle(self, lease: Lease, unsettled: dict[int, Verdict], before: DeliveryState) -> None:
        """Move deliveries with verdicts alike from one state on; those that moved are settled."""
        some = next(iter(unsettled.values()))
        is_over = some.state not in (DeliveryState.QUEUED, DeliveryState.IN_DOUBT)
        values = {
            "rows": [(verdict.delivery_id, verdict.answer) for verdict in unsettled.values()],
            "before": before,
            "after": some.state,
            "tried": int(before is DeliveryState.QUEUED),  # a mark has counted its attempt
            "dated": lease.dated_at,
            "due": some.due_at,
            "settled": self._now if is_over else None,
            **_hold(lease),
        }
        settled = _RECORD.ids(values)
        self._move(before, some.state, len(settled))
        self._note_bounces([unsettled.pop(id_) for id_ in settled])

    def _note_bounces(self, verdicts: Sequence[Verdict]) -> None:
        bounces = [
            {
                "subscriber_id": verdict.bounce.subscriber_id,
                "delivery_id": verdict.delivery_id,
                "kind": verdict.bounce.kind,
                "status": verdict.bounce.status,
                "text": verdict.answer,
                "at": self._now,
            }
            for verdict in verdicts
            if verdict.bounce
        ]
        if bounces:
            execute(insert(Bounce), bounces)

    def _move(self, before: DeliveryState, after: DeliveryState, number: int) -> None:
        self.changes[before] -= number
        self.changes[after] += number


def count(issue_id: int, slot: int, changes: Mapping[DeliveryState, int]) -> None:
    """Move the tally of a slot; the changes of all states add up to zero."""
    if any(changes.values()):
        deltas = {f"{state}_more": changes.get(state, 0) for state in DeliveryState}
        _COUNT.ids({"of_issue": issue_id, "of_slot": slot, **deltas})


def _hold(lease: Lease) -> dict[str, int]:
    return {"held_batch": lease.batch_id, "held_fence": lease.fence}


def _waits() -> ColumnElement[bool]:
    return and_(Delivery.state == DeliveryState.QUEUED, Delivery.due_at.is_(None))


def _is_ours() -> ColumnElement[bool]:
    return and_(
        Batch.id == bindparam("held_batch"),
        Batch.fence == bindparam("held_fence"),
        Batch.finished_at.is_(None),
    )


def _is_held() -> ColumnElement[bool]:
    """A delivery's batch is ours and stays so until we commit.

    The sum keeps PostgreSQL from reading the whole batch where it is told the deliveries.
    """
    ours = select(Batch.id).where(_is_ours()).with_for_update(read=True)
    return and_(Delivery.batch_id + 0 == bindparam("held_batch"), exists(ours))


def _still_reads() -> ColumnElement[bool]:
    return exists().where(
        Subscriber.id == Delivery.subscriber_id,
        Subscriber.state == SubscriberState.CONFIRMED,
        Subscriber.suppressed_at.is_(None),
        or_(Subscriber.paused_until.is_(None), Subscriber.paused_until <= _time("now")),
    )


def _is_being_sent() -> ColumnElement[bool]:
    return exists().where(Issue.id == bindparam("held_issue"), Issue.state == IssueState.SENDING)


def _why_skipped() -> ColumnElement[str]:
    return (
        select(
            case(
                (Subscriber.state != SubscriberState.CONFIRMED, LEFT),
                (Subscriber.suppressed_at.is_not(None), SUPPRESSED),
                else_=PAUSED,
            )
        )
        .where(Subscriber.id == Delivery.subscriber_id)
        .scalar_subquery()
    )


def _time(name: str) -> Any:
    return bindparam(name, type_=Delivery.marked_at.type)


_given_number = given_numbers("ids")
_MARK = Prepared(
    update(Delivery)
    .where(Delivery.id == _given_number, _waits(), _is_held(), _is_being_sent(), _still_reads())
    .values(
        state=DeliveryState.SENDING,
        marked_at=_time("now"),
        dated_at=func.coalesce(Delivery.dated_at, _time("dated")),
        attempts=Delivery.attempts + 1,
    )
    .returning(Delivery.id)
)
_MARKED = Prepared(
    select(Delivery.id).where(
        Delivery.id == _given_number, Delivery.state == DeliveryState.SENDING, _is_held()
    )
)
_SKIP = Prepared(
    update(Delivery)
    .where(Delivery.id == _given_number, _waits(), _is_held(), ~_still_reads())
    .values(state=DeliveryState.SKIPPED, settled_at=_time("now"), answer=_why_skipped())
    .returning(Delivery.id)
)
_given_id, _given_answer = given_rows("rows")
_RECORD = Prepared(
    update(Delivery)
    .where(
        Delivery.id == _given_id,
        Delivery.state == bindparam("before"),
        Delivery.due_at.is_(None),  # what was queued again already is not queued again
        _is_held(),
    )
    .values(
        state=bindparam("after"),
        answer=_given_answer,
        attempts=Delivery.attempts + bindparam("tried"),
        dated_at=func.coalesce(Delivery.dated_at, _time("dated")),
        due_at=_time("due"),
        settled_at=_time("settled"),
    )
    .returning(Delivery.id)
)
_POSTPONE = Prepared(
    update(Delivery)
    .where(Delivery.id == _given_number, _waits(), _is_held())
    .values(due_at=_time("due"))
)
_GIVE_BACK = Prepared(
    update(Batch)
    .where(_is_ours())
    .values(
        lease_until=None,
        finished_at=case(
            (exists().where(Delivery.batch_id == Batch.id, _waits()), null()),
            else_=_time("now"),
        ),
    )
)
_COUNT = Prepared(
    update(Tally)
    .where(Tally.issue_id == bindparam("of_issue"), Tally.slot == bindparam("of_slot"))
    .values(
        {
            getattr(Tally, state): getattr(Tally, state) + bindparam(f"{state}_more")
            for state in DeliveryState
        }
    )
)
