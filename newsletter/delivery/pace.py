"""How fast mail may leave, kept by all processes of all hosts together.

Three things are paced: all mail (MESSAGES_PER_SECOND), each relay (its address says what it can
bear) and each recipient's domain (DOMAIN_LIMITS). What is used up is counted in Redis, by its
clock and in one round trip a group, so it is remembered when a process starts anew; a limit that
nobody set costs nothing. Half a second's worth may leave at a stroke, and one message always
may. Redis learns the domains of recipients and nothing else of them. While it is away every
process keeps to its share; nothing here waits for it for long, and nothing raises.
"""

import json
import logging
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import RedisError
from redis.retry import Retry

from newsletter.delivery.local_pace import AGAIN, BURST, Admission, LocalPace
from newsletter.domain_limits import DomainLimit, DomainLimits
from newsletter.mail.smtp_address import RelayAddress
from newsletter.settings import Settings

__all__ = ["NEAR", "Admission", "Pace", "pace_of"]

NEAR = 10.0  # s: a delay up to this is worth keeping the delivery in hand
PATIENCE = 1.0  # s that Redis has for an answer
REST = 3.0  # s without asking, once it gave none

_SCRIPT = (
    f"local BURST, AGAIN, NEAR = {BURST}, {AGAIN}, {NEAR}\n"
    + Path(__file__).with_suffix(".lua").read_text()
)
_ALL = "pace:all"

log = logging.getLogger(__name__)


class Pace:
    """What this process may send now; to be made after any fork."""

    def __init__(
        self,
        redis_url: str,
        *,
        messages_per_second: float | None = None,
        relays: Sequence[RelayAddress] = (),
        domains: DomainLimits,
        sharers: int,
    ) -> None:
        """Nothing is opened yet. `sharers` processes divide the limits while Redis is away."""
        redis = Redis.from_url(
            redis_url,
            socket_timeout=PATIENCE,
            socket_connect_timeout=PATIENCE,
            retry=Retry(NoBackoff(), 1, (LostConnection,)),  # it may have closed an idle one
        )
        self._script = redis.register_script(_SCRIPT)
        self._holder = secrets.token_hex(8)
        self._messages_per_second = messages_per_second
        self._relays = {relay.name: relay for relay in relays}
        self._domains = domains
        self._local = LocalPace(sharers)
        self._lock = Lock()
        self._on_wire: Counter[str] = Counter()  # of domains with a limit at once
        self._is_away = False
        self._asks_again_at = 0.0

    def admit(self, relay: str, domains: Sequence[str]) -> Admission:
        """Say which messages, given by the domains of their recipients, may go to a relay now.

        Those that may are counted, also as on the wire until `done`.
        """
        general = self._general(relay)
        limits = self._limits(domains)
        if not domains or not (general or limits):
            return Admission([0.0] * len(domains), 0.0)
        admission = self._admit(general, limits, domains)
        let_go = [d for d, delay in zip(domains, admission.delays, strict=False) if not delay]
        with self._lock:
            self._on_wire.update(_counted_at_once(let_go, limits))
        return admission

    def _admit(
        self, general: dict[str, float], limits: Mapping[str, DomainLimit], domains: Sequence[str]
    ) -> Admission:
        numbers = {domain: number for number, domain in enumerate(limits, start=1)}
        keys = list(general)
        for domain in limits:
            keys += (_domain_key(domain), _wire_key(domain))
        answer = self._ask(
            "admit",
            keys,
            general=list(general.values()),
            limits=[
                (limit.per_second, limit.at_once or 0, self._on_wire[domain])
                for domain, limit in limits.items()
            ],
            asked=[numbers.get(domain, 0) for domain in domains],
        )
        if answer is None:
            with self._lock:
                return self._local.admit(general, limits, domains, monotonic())
        closed_for, *delays = answer
        return Admission([delay / 1e6 for delay in delays], closed_for / 1e6)

    def done(self, domains: Sequence[str]) -> None:
        """Messages to these domains, which were let go, are on the wire no longer, or never were.

        What nobody reports, because its process died, counts for a minute. Redis is told each
        time how many are left, so that what it did not hear while it was away does no harm.
        """
        limits = self._limits(domains)
        counts = _counted_at_once(domains, limits)
        if not counts:
            return
        with self._lock:
            left = {domain: max(0, self._on_wire[domain] - counts[domain]) for domain in counts}
            self._on_wire = +Counter({**self._on_wire, **left})
            self._local.done(counts)
        self._ask("done", [_wire_key(domain) for domain in left], left=list(left.values()))

    def abandon(self) -> None:
        """Nothing of this process is on the wire any more, whatever became of it."""
        self.done(list(self._on_wire.elements()))

    def take(self, relay: str, count: int) -> None:
        """Count notices, which go without asking; issues wait for them, a minute at most."""
        general = self._general(relay)
        if not general or not count:
            return
        answer = self._ask("take", list(general), general=list(general.values()), count=count)
        if answer is None:
            with self._lock:
                self._local.take(general, count, monotonic())

    def connections(self, relay: str, holder: str, wanted: int) -> int:
        """Say how many of a relay's connections a holder may have open from now on, maybe none.

        To be asked again every few seconds: then others get their fair share of what one had, and
        what is not asked for again is free after a minute.
        """
        most = self._shared_connections(relay)
        if most is None:
            return wanted
        keys = [_connections_key(relay)]
        answer = self._ask("connections", keys, holder=holder, most=most, wanted=wanted)
        return answer[0] if answer else min(wanted, self._local.share(most))

    def shares_connections(self, relay: str) -> bool:
        """Whether a relay's connections are limited over all holders."""
        return self._shared_connections(relay) is not None

    def release(self, relay: str, holder: str) -> None:
        """A holder has closed its connections to a relay."""
        if self.shares_connections(relay):
            self._ask("release", [_connections_key(relay)], holder=holder)

    def _general(self, relay: str) -> dict[str, float]:
        """The paces that count for every message to a relay, by their keys in Redis."""
        address = self._relays.get(relay)
        paces = {
            _ALL: self._messages_per_second,
            f"pace:relay:{relay}": address.messages_per_second if address else None,
        }
        return {key: pace for key, pace in paces.items() if pace is not None}

    def _limits(self, domains: Sequence[str]) -> Mapping[str, DomainLimit]:
        if not self._domains.by_domain:
            return {}
        return {domain: it for domain in dict.fromkeys(domains) if (it := self._domains.of(domain))}

    def _shared_connections(self, relay: str) -> int | None:
        address = self._relays.get(relay)
        return address.shared_connections if address else None

    def _ask(self, command: str, keys: Sequence[str], **request: object) -> list[int] | None:
        """One round trip; None while Redis is away."""
        if monotonic() < self._asks_again_at:
            return None
        request = {"holder": self._holder, **request}
        try:
            answer = cast(list[int], self._script(keys=keys, args=[command, json.dumps(request)]))
        except (RedisError, OSError) as error:
            self._miss_redis(error)
            return None
        if self._is_away:
            self._find_redis()
        return answer

    def _miss_redis(self, error: Exception) -> None:
        with self._lock:
            self._asks_again_at = monotonic() + REST
            is_news, self._is_away = not self._is_away, True
        if is_news:
            log.warning("Redis keeps no pace (%s); this process keeps to its share", error)

    def _find_redis(self) -> None:
        with self._lock:
            is_news, self._is_away = self._is_away, False
            self._local.forget()
        if is_news:
            log.info("Redis keeps the pace again")


def pace_of(settings: Settings) -> Pace:
    """The pace that the operator wants, for this process."""
    url = settings.redis_url.replace("redis+socket://", "unix://", 1)
    return Pace(
        url.replace("virtual_host=", "db="),  # Celery's word for it
        messages_per_second=settings.messages_per_second,
        relays=[RelayAddress.parse(address) for address in settings.relay_urls],
        domains=DomainLimits.parse(settings.domain_limits),
        sharers=settings.senders_per_issue,
    )


def _counted_at_once(domains: Sequence[str], limits: Mapping[str, DomainLimit]) -> Counter[str]:
    return Counter(d for d in domains if d in limits and limits[d].at_once is not None)


def _domain_key(domain: str) -> str:
    return f"pace:domain:{domain}"


def _wire_key(domain: str) -> str:
    return f"pace:wire:{domain}"


def _connections_key(relay: str) -> str:
    return f"pace:connections:{relay}"
