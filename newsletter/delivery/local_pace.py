"""The share of the pace that one process keeps by itself while Redis is away.

Every process takes an equal part of each limit, so that all together stay within it, and the
whole pace is reached only if all of them send. Times are seconds of a clock that never jumps.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from newsletter.domain_limits import DomainLimit

BURST = 0.5  # s: so much of a pace may be used up at a stroke, but one message always may
AGAIN = 0.05  # s: nobody is asked to come back sooner
LONGEST = 60.0  # s: nor later; by then Redis may be back


class Admission(NamedTuple):
    """Which of a group of messages may go.

    `delays`: seconds until each may go, in the order in which they were asked for; 0: now, and it
    is counted already; more: nothing is counted, ask again then. `closed_for`: seconds after which
    to ask again for those that `delays` says nothing of, because the pace of all is used up.
    """

    delays: list[float]
    closed_for: float


class LocalPace:
    """What one of so many `sharers` has used up lately."""

    def __init__(self, sharers: int) -> None:
        self._sharers = sharers
        self._buckets: dict[str, _Bucket] = {}
        self._on_wire: Counter[str] = Counter()

    def admit(
        self,
        general: Mapping[str, float],
        limits: Mapping[str, DomainLimit],
        domains: Sequence[str],
        now: float,
    ) -> Admission:
        """Let go what may; `general` are the paces that count for every message, by their names."""
        shared = [self._bucket(name, rate, now) for name, rate in general.items()]
        own = {domain: self._bucket(domain, it.per_second, now) for domain, it in limits.items()}
        delays: list[float] = []
        for domain in domains:
            closed_for = max((bucket.wait(now) for bucket in shared), default=0.0)
            if closed_for > 0:
                return Admission(delays, max(closed_for, AGAIN))
            bucket = own.get(domain)
            if bucket and (bucket.wait(now) > 0 or self._is_wire_full(domain, limits[domain])):
                delays.append(bucket.foretell(now))
                continue
            for each in [*shared, bucket] if bucket else shared:
                each.use(1)
            if bucket and limits[domain].at_once is not None:
                self._on_wire[domain] += 1
            delays.append(0.0)
        return Admission(delays, 0.0)

    def take(self, general: Mapping[str, float], count: int, now: float) -> None:
        """Count what goes without asking."""
        for name, rate in general.items():
            bucket = self._bucket(name, rate, now)
            bucket.use(count)
            bucket.free = min(bucket.free, now + max(LONGEST, bucket.interval))

    def done(self, domains: Mapping[str, int]) -> None:
        """So many to each domain are on the wire no longer."""
        self._on_wire = +(self._on_wire - Counter(domains))

    def forget(self) -> None:
        """Redis counts again."""
        self._buckets.clear()
        self._on_wire.clear()

    def share(self, limit: int) -> int:
        """Our part of so many, at least one."""
        return max(1, limit // self._sharers)

    def _bucket(self, name: str, per_second: float, now: float) -> "_Bucket":
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = _Bucket(self._sharers / per_second)
        bucket.free = max(bucket.free, now)
        return bucket

    def _is_wire_full(self, domain: str, limit: DomainLimit) -> bool:
        return limit.at_once is not None and self._on_wire[domain] >= self.share(limit.at_once)


class _Bucket:
    """A pace by the generic cell rate algorithm, as pace.lua has it."""

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self.free = -math.inf  # when the next message would be exactly on time
        self._slack = max(0.0, BURST - interval) + 1e-5  # by so much it may be early; rounded up
        self._slot = -math.inf  # the next to be foretold

    def wait(self, now: float) -> float:
        return max(0.0, self.free - self._slack - now)

    def use(self, count: int) -> None:
        self.free += count * self.interval

    def foretell(self, now: float) -> float:
        """When to ask again: each at a time of its own."""
        first = now + max(AGAIN, self.wait(now))
        slot = max(first, self._slot)
        if slot > now + LONGEST:
            slot = min(first, now + LONGEST)
        self._slot = slot + self.interval
        return slot - now
