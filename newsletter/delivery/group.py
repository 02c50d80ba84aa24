"""What happened since the last transaction of a sender, lease by lease."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TypeVar

from newsletter.delivery.ledger import Cleared, Entry, Lease, Verdict
from newsletter.delivery.models import DeliveryState

T = TypeVar("T")


class Group:
    """What one transaction is to write down; a new one is begun after each."""

    def __init__(self) -> None:
        self.ready: dict[Lease, list[int]] = defaultdict(list)
        self.finished: Sequence[Lease] = ()
        self._marked: dict[Lease, list[Verdict]] = defaultdict(list)
        self._unmarked: dict[Lease, list[Verdict]] = defaultdict(list)
        self._postponed: dict[Lease, dict[int, datetime]] = defaultdict(dict)

    def __bool__(self) -> bool:
        """Whether there is anything to write down."""
        kinds = (self.ready, self.finished, self._marked, self._unmarked, self._postponed)
        return any(kinds)

    def settle(self, lease: Lease, verdict: Verdict, *, was_marked: bool) -> None:
        """A delivery has its verdict."""
        (self._marked if was_marked else self._unmarked)[lease].append(verdict)

    def lose(self, lease: Lease, delivery_id: int) -> None:
        """A delivery's line ended before its mark, perhaps when it was ready."""
        ready = self.ready.get(lease, [])
        if delivery_id in ready:
            ready.remove(delivery_id)

    def postpone(self, lease: Lease, delivery_id: int, due_at: datetime) -> None:
        """A delivery was not tried and waits for another time."""
        self._postponed[lease][delivery_id] = due_at

    def turn_over(self, entry: Entry) -> Iterator[frozenset[int]]:
        """Write down what was sent and what is ready, and yield what may leave; the rest stays.

        That is one statement a batch: usually one batch is going out, sometimes the next one too.
        """
        for lease in dict.fromkeys([*self._marked, *self.ready]):
            verdicts = self._marked.get(lease, ())
            sent = [verdict for verdict in verdicts if verdict.state is DeliveryState.SENT]
            ids = self.ready.get(lease, ())
            if sent or ids:
                recorded, marked = entry.turn_over(lease, sent, ids)
                _keep(self._marked, lease, [v for v in verdicts if v.delivery_id not in recorded])
                _keep(self.ready, lease, [id_ for id_ in ids if id_ not in marked])
                yield marked

    def write(self, entry: Entry, *, may_mark: bool, is_repeated: bool) -> Cleared:
        """Write it all down; say what may leave now. `is_repeated`: see `Entry.mark`."""
        for lease, verdicts in self._marked.items():
            entry.record(lease, verdicts, were_marked=True)
        for lease, verdicts in self._unmarked.items():
            entry.record(lease, verdicts, were_marked=False)
        for lease, due in self._postponed.items():
            entry.postpone(lease, due)
        to_mark = self.ready.items() if may_mark else ()
        cleared = [entry.mark(lease, ids, is_repeated=is_repeated) for lease, ids in to_mark if ids]
        for lease in self.finished:
            entry.give_back(lease)
        return Cleared(
            ids=frozenset().union(*(some.ids for some in cleared)),
            goes_on=may_mark and all(some.goes_on for some in cleared),
        )


def _keep(by_lease: dict[Lease, list[T]], lease: Lease, left: list[T]) -> None:
    """This is still to be written under a lease."""
    if left:
        by_lease[lease] = left
    else:
        by_lease.pop(lease, None)
