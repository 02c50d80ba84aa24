"""The statements of the sending path: leases, marks, answers, tallies.

A sender writes down what happened in one `Entry` per short transaction: the answers to the last
dots, the marks of the next deliveries, and the tally once for all of them, so that its sums are
the counts, always. Each statement takes a whole group; no object is made per delivery.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import and_, or_, update

from newsletter.database import execute
from newsletter.delivery import statements
from newsletter.delivery.models import Batch, DeliveryState
from newsletter.delivery.prepared import Pen, session_pen
from newsletter.delivery.slots import LEASE, Slot
from newsletter.subscribers.models import BounceKind

DIED = "Its sender ended, or was not heard of for half a minute, before an answer was written down."


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
    """Which of the deliveries that were to be marked may leave now; and whether sending goes on.

    Of the others nothing may leave. If they were skipped, because their readers had left, sending
    goes on; if not, then the issue has to pause, is paused or cancelled, or the lease is lost.
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


def claim(slot: Slot, now: datetime, pen: Pen | None = None) -> Lease | None:
    """Lease the first free batch of an issue that is being sent; None if there is none."""
    values = {"of_issue": slot.issue_id, "until": now + LEASE}
    taken = statements.CLAIM.row(pen or session_pen(), values)
    if taken is None:
        return None
    batch_id, edition_id, fence = taken
    return Lease(slot, batch_id, edition_id, fence, dated_at=now.replace(microsecond=0))


def renew(leases: Collection[Lease], now: datetime) -> None:
    """Say that the process that holds these batches lives; a lost lease does not come back."""
    held = or_(*(and_(Batch.id == lease.batch_id, Batch.fence == lease.fence) for lease in leases))
    if leases:
        execute(
            update(Batch)
            .where(held, Batch.finished_at.is_(None), Batch.lease_until.is_not(None))
            .values(lease_until=now + LEASE)
        )


def waiting(lease: Lease, pen: Pen | None = None) -> list[Waiting]:
    """The deliveries of a batch that may be tried, in order."""
    pen = pen or session_pen()
    rows = statements.WAITING.rows(pen, {"held_batch": lease.batch_id})
    return [
        Waiting(id_, reader, address, attempts, pen.read_time(dated_at))
        for id_, reader, address, attempts, dated_at in rows
    ]


@contextmanager
def entry(slot: Slot, now: datetime, pen: Pen | None = None) -> Iterator["Entry"]:
    """What one sender writes down in one transaction; at its end the tally moves.

    In that of the session, unless it has a pen of its own.
    """
    new = Entry(slot, now, pen or session_pen())
    yield new
    new.count()


class Entry:
    """What one sender writes down at one moment; made by `entry`."""

    def __init__(self, slot: Slot, now: datetime, pen: Pen) -> None:
        self._changes: Counter[DeliveryState] = Counter()
        self._slot = slot
        self._now = now
        self._pen = pen

    def count(self) -> None:
        """Move the tally by what was written; the last thing to do."""
        _count(self._pen, self._slot.issue_id, self._slot.number, self._changes)

    def turn_over(
        self, lease: Lease, sent: Sequence[Verdict], ids: Sequence[int]
    ) -> tuple[frozenset[int], frozenset[int]]:
        """Record what was sent and mark the next, all of one batch, in one statement.

        It is a whole transaction with its tally, where the pen has none open. Gives the ids of
        what was recorded and of what may leave now; the rest is for `record` and `mark`.
        PostgreSQL alone can do this.
        """
        values = {
            "rows": [(verdict.delivery_id, verdict.answer) for verdict in sent],
            "ids": ids,
            "now": self._now,
            "before": DeliveryState.SENDING,
            "after": DeliveryState.SENT,
            "tried": 0,
            "due": None,
            "settled": self._now,
            "of_issue": self._slot.issue_id,
            "of_slot": self._slot.number,
            **_hold_dated(lease),
        }
        done: tuple[list[int], list[int]] = ([], [])
        for which, delivery_id in statements.TURN_OVER.rows(self._pen, values):
            done[which].append(delivery_id)
        return frozenset(done[0]), frozenset(done[1])

    def mark(self, lease: Lease, ids: Collection[int], *, is_repeated: bool = False) -> Cleared:
        """Note that these may leave now; skip those whose readers left, pause or were suppressed.

        `is_repeated`: the same was tried before and nobody knows whether it was committed. Since
        none of them has left, those that are marked under our lease may leave.
        """
        held = {"ids": list(ids), **_hold(lease)}
        of_issue = lease.slot.issue_id
        values = {**held, "now": self._now, "held_dated": lease.dated_at, "of_issue": of_issue}
        cleared = frozenset(statements.MARK.ids(self._pen, values))
        self._move(DeliveryState.QUEUED, DeliveryState.SENDING, len(cleared))
        if is_repeated:
            cleared = frozenset(statements.MARKED.ids(self._pen, held))
        skipped = 0
        if len(cleared) < len(ids):
            skipped = statements.SKIP.run(self._pen, {**held, "now": self._now})
            self._move(DeliveryState.QUEUED, DeliveryState.SKIPPED, skipped)
        return Cleared(cleared, goes_on=len(cleared) + skipped == len(ids))

    def record(self, lease: Lease, verdicts: Iterable[Verdict], *, were_marked: bool) -> None:
        """Write down what became of deliveries, each once: the first answer counts.

        Those whose envelope was answered before their mark were not marked.
        """
        before = DeliveryState.SENDING if were_marked else DeliveryState.QUEUED
        alike: dict[tuple[DeliveryState, datetime | None], dict[int, Verdict]] = defaultdict(dict)
        for verdict in verdicts:
            alike[verdict.state, verdict.due_at][verdict.delivery_id] = verdict
        for unsettled in alike.values():
            self._settle(lease, unsettled, before)

    def postpone(self, lease: Lease, due: Mapping[int, datetime]) -> None:
        """Let deliveries wait that were not tried; they are no further for it."""
        for delivery_id, due_at in due.items():
            statements.POSTPONE.run(
                self._pen, {"ids": [delivery_id], "due": due_at, **_hold(lease)}
            )

    def give_back(self, lease: Lease) -> None:
        """End a lease; the batch is finished if nothing in it waits any more."""
        statements.GIVE_BACK.run(self._pen, {"now": self._now, **_hold(lease)})

    def _settle(
        self, lease: Lease, unsettled: Mapping[int, Verdict], before: DeliveryState
    ) -> None:
        """Move on those of deliveries with verdicts alike that are still in the state `before`."""
        some = next(iter(unsettled.values()))
        is_over = some.state not in (DeliveryState.QUEUED, DeliveryState.IN_DOUBT)
        values = {
            "rows": [(verdict.delivery_id, verdict.answer) for verdict in unsettled.values()],
            "before": before,
            "after": some.state,
            "tried": int(before is DeliveryState.QUEUED),  # a mark has counted its attempt
            "due": some.due_at,
            "settled": self._now if is_over else None,
            **_hold_dated(lease),
        }
        if some.state is DeliveryState.FAILED:
            recorded = statements.RECORDED.ids(self._pen, values)
            self._move(before, some.state, len(recorded))
            self._note_bounces([unsettled[id_] for id_ in recorded])
        else:
            self._move(before, some.state, statements.RECORD.run(self._pen, values))

    def _note_bounces(self, verdicts: Sequence[Verdict]) -> None:
        for verdict in verdicts:
            if verdict.bounce:
                values = {
                    "of_subscriber": verdict.bounce.subscriber_id,
                    "of_delivery": verdict.delivery_id,
                    "of_kind": verdict.bounce.kind,
                    "status": verdict.bounce.status,
                    "text": verdict.answer,
                    "at": self._now,
                }
                statements.NOTE_BOUNCE.run(self._pen, values)

    def _move(self, before: DeliveryState, after: DeliveryState, number: int) -> None:
        self._changes[before] -= number
        self._changes[after] += number


def count(issue_id: int, slot: int, changes: Mapping[DeliveryState, int]) -> None:
    """Move the tally of a slot; the changes of all states add up to zero."""
    _count(session_pen(), issue_id, slot, changes)


def _count(pen: Pen, issue_id: int, slot: int, changes: Mapping[DeliveryState, int]) -> None:
    if any(changes.values()):
        deltas = {f"{state}_more": changes.get(state, 0) for state in DeliveryState}
        statements.COUNT.run(pen, {"of_issue": issue_id, "of_slot": slot, **deltas})


def _hold(lease: Lease) -> dict[str, int]:
    return {"held_batch": lease.batch_id, "held_fence": lease.fence}


def _hold_dated(lease: Lease) -> dict[str, Any]:
    return {**_hold(lease), "held_dated": lease.dated_at}
