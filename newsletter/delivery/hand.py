"""What a sender has in hand: leased batches, and the deliveries of them that are still to go."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count, islice

from newsletter.delivery.ledger import Lease, Waiting
from newsletter.mail.smtp import Message


@dataclass(slots=True, eq=False)
class Item:
    """A delivery, the lease it is held under, and the domain where its reader gets mail.

    `message` is there if it was made ahead of time.
    """

    lease: Lease
    delivery: Waiting
    domain: str
    message: Message | None = None


class Hand:
    """Deliveries in order, and how many of each leased batch are not done with.

    A delivery is in hand, or it is out with whoever took it, until it is `done`.
    """

    def __init__(self) -> None:
        self._ready: deque[Item] = deque()
        self._later: list[tuple[float, int, Item]] = []
        self._numbers = count()
        self._left: dict[Lease, int] = {}

    def __len__(self) -> int:
        """How many may be taken now."""
        return len(self._ready)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is in hand, not even for later."""
        return not self._ready and not self._later

    @property
    def leases(self) -> list[Lease]:
        """All batches held."""
        return list(self._left)

    @property
    def finished(self) -> list[Lease]:
        """The batches of which nothing is left to do."""
        return [lease for lease, left in self._left.items() if not left]

    def add(self, lease: Lease, deliveries: Iterable[Waiting]) -> None:
        """Take a leased batch in."""
        before = len(self._ready)
        self._ready.extend(
            Item(lease, delivery, delivery.address.rpartition("@")[2]) for delivery in deliveries
        )
        self._left[lease] = len(self._ready) - before

    def take(self, most: int) -> list[Item]:
        """The next ones, to be put back or to be `done`."""
        return [self._ready.popleft() for _ in range(min(most, len(self._ready)))]

    def peek(self, most: int) -> list[Item]:
        """Those that `take` would give; they stay."""
        return list(islice(self._ready, most))

    def put_back(self, items: Iterable[Item]) -> None:
        """These were taken and did not go; they are the next again."""
        self._ready.extendleft(reversed(list(items)))

    def keep(self, item: Item, until: float) -> None:
        """Put one back for later; `until` is of the same clock as that of `ripen`."""
        heappush(self._later, (until, next(self._numbers), item))

    def ripen(self, now: float) -> float | None:
        """Make ready what was kept until now; says when the next one is, if there is one."""
        while self._later and self._later[0][0] <= now:
            self._ready.append(heappop(self._later)[2])
        return self._later[0][0] if self._later else None

    def done(self, lease: Lease, number: int = 1) -> None:
        """So many deliveries of a batch are settled, or wait for another time."""
        self._left[lease] -= number

    def drop(self) -> None:
        """Let go of everything that is in hand; what is out stays out."""
        for item in [*self._ready, *(item for _, _, item in self._later)]:
            self.done(item.lease)
        self._ready.clear()
        self._later.clear()

    def forget(self, leases: Iterable[Lease]) -> None:
        """These batches were given back."""
        for lease in leases:
            del self._left[lease]
