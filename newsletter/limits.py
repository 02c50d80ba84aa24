"""How many requests to be written to one network may make in an hour.

Counted in the memory of each web process and nowhere else: no IP address is kept in a database,
a log or Redis. Decided before any address is looked up, so a refusal tells nothing about one.
"""

import math
import time
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from threading import Lock
from typing import cast

from flask import current_app
from limits import RateLimitItem, RateLimitItemPerHour
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from newsletter.errors import NewsletterError

NETWORK_BITS = {4: 24, 6: 64}  # what one household or office has
NOWHERE = "unknown"  # a visitor whose address the server does not know


class TooMany(NewsletterError):
    """So many requests at a time are not what readers do."""

    page = "too_many"
    status = 429

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many signups at the moment. Please try again in {retry_after} s.")
        self.retry_after = retry_after
        self.headers = {"Retry-After": str(retry_after)}


class NetworkLimits:
    """The counters of one web process.

    A refused request is not counted, so somebody who hammers does not prolong their own waiting;
    and as no more are let in than the ceilings of all together, there are never more counters.
    """

    def __init__(self) -> None:
        self._counters = FixedWindowRateLimiter(MemoryStorage())
        self._lock = Lock()

    def let_in(self, visitor: str | None, most: RateLimitItem) -> None:
        """Count one request; raises `TooMany`. Each limit has a count of its own."""
        network = network_of(visitor)
        with self._lock:
            if not self._counters.test(most, network):
                raise TooMany(self._seconds_until_free(most, network))
            self._counters.hit(most, network)

    def _seconds_until_free(self, most: RateLimitItem, network: str) -> int:
        until = self._counters.get_window_stats(most, network).reset_time - time.time()
        return max(1, math.ceil(until))


def network_limits() -> NetworkLimits:
    """The counters of the running application."""
    return cast(NetworkLimits, current_app.extensions["network_limits"])


def an_hour(most: int, what: str = "requests") -> RateLimitItem:
    """So many of a kind in an hour."""
    return RateLimitItemPerHour(most, namespace=what)


def network_of(visitor: str | None) -> str:
    """The network a visitor comes from: /24 or /64; an IPv4 address in IPv6 dress is IPv4."""
    try:
        address: IPv4Address | IPv6Address = ip_address(visitor or "")
    except ValueError:
        return NOWHERE
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or IPv6Address(int(address))  # without a zone
    return str(ip_network((address, NETWORK_BITS[address.version]), strict=False))
