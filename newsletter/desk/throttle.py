"""How often somebody may try to log in.

Counted in the memory of each web process and nowhere else, accounts by a keyed hash. A try counts
before the password is looked at, whether there is such an editor or not, so a refusal tells
nothing. The count of an account is mostly by network, and a browser in which its owner came in
before has counts of its own: who guesses does not keep the owner out.
"""

import hmac
import math
import secrets
import time
from threading import Lock

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from newsletter.limits import network_of

QUARTER = 15  # minutes


class LoginLimits:
    """The counters of one web process."""

    def __init__(self) -> None:
        self._counters = FixedWindowRateLimiter(MemoryStorage())
        self._key = secrets.token_bytes()
        self._lock = Lock()

    def seconds_to_wait(self, account: str, visitor: str | None, *, is_known: bool) -> int:
        """Count a try; 0 if it may be made, or else how long to wait until the next."""
        with self._lock:
            for item, *names in self._counted(account, visitor, is_known=is_known):
                if not self._counters.hit(item, *names):
                    until = self._counters.get_window_stats(item, *names).reset_time
                    return max(1, math.ceil(until - time.time()))
        return 0

    def forget(self, account: str, visitor: str | None, *, is_known: bool) -> None:
        """Count anew for somebody who got in."""
        item, *names = self._counted(account, visitor, is_known=is_known)[0]
        self._counters.clear(item, *names)

    def _counted(
        self, account: str, visitor: str | None, *, is_known: bool
    ) -> list[tuple[RateLimitItem, str, str]]:
        network = network_of(visitor)
        hashed = hmac.digest(self._key, account.encode(), "sha256").hex()
        who = f"{hashed} in a known browser" if is_known else hashed
        return [
            (RateLimitItemPerMinute(10, QUARTER), f"account {who}", network),
            (RateLimitItemPerMinute(40, QUARTER), "network", network),
            (RateLimitItemPerHour(100), "account", who),
        ]
