"""The breaker of each relay, shared by all processes through its row in the database.

A relay that failed one process rests for all of them: 10 seconds, 20, 40, at most 5 minutes.
After that one process alone may try it, with one connection; when that gets a proper answer,
everybody goes on. No row, or no failures in it, means that the relay works.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import and_, bindparam, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from newsletter.database import execute, is_sqlite
from newsletter.delivery.models import RelayState
from newsletter.delivery.prepared import Prepared, session_pen

SHORTEST_REST = timedelta(seconds=10)
LONGEST_REST = timedelta(minutes=5)
DOUBLINGS = 5  # of the shortest rest are longer than the longest
PROBE = timedelta(minutes=1)  # after which a probe is free again: its holder may have died

_WORKS: dict[str, Any] = {
    "failures": 0,
    "rests_until": None,
    "probed_by": None,
    "probe_until": None,
    "said": None,
    "failing_since": None,
}

_RESTS_UNTIL = Prepared(
    select(RelayState.rests_until).where(
        RelayState.name == bindparam("of_relay"), RelayState.failures > 0
    )
)

log = logging.getLogger(__name__)


class Leave(StrEnum):
    """What a process may do with a relay: send, try it alone with one connection, or wait."""

    FULL = "full"
    PROBE = "probe"
    NONE = "none"


class Failing(NamedTuple):
    """A relay that does not work: since when, what it said last, and how long it is left alone."""

    name: str
    since: datetime
    said: str
    rests_until: datetime


def choose(names: Sequence[str], holder: str, now: datetime) -> tuple[str, Leave] | None:
    """The first of several relays, in order of preference, that may be used; None: all rest.

    Ask again now and then: a better one that came back is then taken again.
    """
    for name in names:
        leave = leave_for(name, holder, now)
        if leave is not Leave.NONE:
            return name, leave
    return None


def leave_for(name: str, holder: str, now: datetime) -> Leave:
    """What this process may do with a relay.

    A probe belongs to its holder for a minute, or until it is tripped, recovered or left; the
    holder renews it by asking again.
    """
    pen = session_pen()
    failing = _RESTS_UNTIL.row(pen, {"of_relay": name})
    if failing is None:
        return Leave.FULL
    rests_until = pen.read_time(failing[0])
    if rests_until and rests_until > now:
        return Leave.NONE
    return _leave_to_probe(name, holder, now)


def _leave_to_probe(name: str, holder: str, now: datetime) -> Leave:
    is_free = or_(
        RelayState.probe_until.is_(None),
        RelayState.probe_until <= now,
        RelayState.probed_by == holder,
    )
    taken = execute(
        update(RelayState)
        .where(
            RelayState.name == name,
            RelayState.failures > 0,
            RelayState.rests_until <= now,
            is_free,
        )
        .values(probed_by=holder, probe_until=now + PROBE)
        .returning(RelayState.name)
    ).first()
    return Leave.PROBE if taken else Leave.NONE


def leave_probe(name: str, holder: str) -> None:
    """Let others try a relay that this process held for a probe and learnt nothing about."""
    execute(
        update(RelayState)
        .where(RelayState.name == name, RelayState.probed_by == holder)
        .values(probed_by=None, probe_until=None)
    )


def trip(name: str, said: str, now: datetime) -> bool:
    """Let a relay rest; whoever finds it resting already changes nothing.

    Says, and logs, whether this was the first to say so.
    """
    insert = sqlite.insert if is_sqlite() else postgresql.insert
    execute(insert(RelayState).values(name=name, **_WORKS).on_conflict_do_nothing())
    before = execute(
        select(RelayState.failures, RelayState.failing_since).where(RelayState.name == name)
    ).one()
    rest = min(SHORTEST_REST * 2 ** min(before.failures, DOUBLINGS), LONGEST_REST)
    tripped = execute(
        update(RelayState)
        .where(
            RelayState.name == name,
            RelayState.failures == before.failures,
            or_(RelayState.rests_until.is_(None), RelayState.rests_until <= now),
        )
        .values(
            failures=before.failures + 1,
            rests_until=now + rest,
            probed_by=None,
            probe_until=None,
            said=said,
            failing_since=before.failing_since or now,
        )
        .returning(RelayState.name)
    ).first()
    if tripped is None:
        return False
    log.error("the relay %s is left alone for %d seconds: %s", name, rest.total_seconds(), said)
    return True


def recovered(name: str, now: datetime) -> bool:
    """Let everybody use a relay again that gave a proper answer; says whether it had failed."""
    is_failing = and_(RelayState.name == name, RelayState.failures > 0)
    since = execute(select(RelayState.failing_since).where(is_failing)).scalar()
    back = execute(
        update(RelayState).where(is_failing).values(_WORKS).returning(RelayState.name)
    ).first()
    if since is None or back is None:
        return False
    seconds = (now - since).total_seconds()
    log.info("the relay %s works again after %d seconds", name, seconds)
    return True


def failing() -> list[Failing]:
    """The relays that do not work at the moment, for whoever looks at a sending."""
    rows = execute(
        select(RelayState.name, RelayState.failing_since, RelayState.said, RelayState.rests_until)
        .where(RelayState.failures > 0)
        .order_by(RelayState.name)
    )
    return [Failing(*row) for row in rows]
