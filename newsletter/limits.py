"""How many signups are taken an hour: per network, per recipient domain, and in all.

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
from newsletter.settings import Settings

NETWORK_BITS = {4: 24, 6: 64}  # what one household or office has
NOWHERE = "unknown"  # a visitor whose address the server does not know


class TooMany(NewsletterError):
    """So many signups at a time are not what readers do."""

    page = "too_many"
    status = 429

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many signups at the moment. Please try again in {retry_after} s.")
        self.retry_after = retry_after
        self.headers = {"Retry-After": str(retry_after)}


class SignupLimits:
    """The counters of one web process.

    A refused signup counts nowhere, so there are never more counters than signups allowed in an
    hour, and somebody who hammers does not prolong their own waiting.
    """

    def __init__(
        self, *, per_network: RateLimitItem, per_domain: RateLimitItem, in_all: RateLimitItem
    ) -> None:
        self._per_network = per_network
        self._per_domain = per_domain
        self._in_all = in_all
        self._counters = FixedWindowRateLimiter(MemoryStorage())
        self._lock = Lock()

    def let_in(self, visitor: str | None, domain: str) -> None:
        """Count one signup for a mailbox at `domain`; raises `TooMany`."""
        counted = (
            (self._in_all, "all"),
            (self._per_domain, "domain", domain),
            (self._per_network, "network", network_of(visitor)),
        )
        with self._lock:
            for item, *names in counted:
                if not self._counters.test(item, *names):
                    raise TooMany(self._seconds_until_free(item, *names))
            for item, *names in counted:
                self._counters.hit(item, *names)

    def _seconds_until_free(self, item: RateLimitItem, *names: str) -> int:
        until = self._counters.get_window_stats(item, *names).reset_time - time.time()
        return max(1, math.ceil(until))


def signup_limits_of(settings: Settings) -> SignupLimits:
    """Counters as the operator wants them."""
    return SignupLimits(
        per_network=RateLimitItemPerHour(settings.signups_per_network_per_hour),
        per_domain=RateLimitItemPerHour(settings.signups_per_domain_per_hour),
        in_all=RateLimitItemPerHour(settings.signups_per_hour),
    )


def signup_limits() -> SignupLimits:
    """The counters of the running application."""
    return cast(SignupLimits, current_app.extensions["signup_limits"])


def network_of(visitor: str | None) -> str:
    """The network a visitor comes from: /24 or /64; an IPv4 address in IPv6 dress is IPv4."""
    try:
        address: IPv4Address | IPv6Address = ip_address(visitor or "")
    except ValueError:
        return NOWHERE
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or IPv6Address(int(address))  # without a zone
    return str(ip_network((address, NETWORK_BITS[address.version]), strict=False))
