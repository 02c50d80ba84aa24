"""How many asked lately, in all and per domain: the whole service, whichever process took them.

Counted from the rows that signups leave in the database; each web process reads every row once.
What leaves no row (a reader's request for links, a change of address) is added by the process
that took it.
"""

from collections import Counter
from datetime import datetime, timedelta
from threading import Lock
from typing import cast

from flask import current_app
from sqlalchemy import select

from newsletter.database import db
from newsletter.subscribers.models import Signup

HOUR = timedelta(hours=1)
ALL, HELD_UP = "", " "  # no domain is called so
SLOT = 10  # seconds that are counted together
OVERLAP = 100  # ids that are read again: an id is given out a moment before its row can be seen


class Recent:
    """The counts of one web process, for an hour."""

    def __init__(self) -> None:
        self._slots: dict[int, Counter[str]] = {}
        self._newest = 0
        self._read: set[int] = set()
        self._lock = Lock()

    def catch_up(self, now: datetime) -> None:
        """Read the signups that any web process has taken since."""
        rows = db.session.execute(
            select(Signup.id, Signup.asked_at, Signup.address_key).where(
                Signup.id > self._newest - OVERLAP, Signup.asked_at > now - HOUR
            )
        ).all()
        with self._lock:
            self._forget(now)
            known = self._newest - OVERLAP
            for id_, asked_at, address_key in rows:
                if id_ > known and id_ not in self._read:
                    self._read.add(id_)
                    self._count(address_key.rpartition("@")[2], asked_at)
            self._newest = max(self._newest, *self._read, 0)
            self._read = {id_ for id_ in self._read if id_ > self._newest - OVERLAP}

    def add(self, domain: str, now: datetime) -> None:
        """Count a request that leaves no row of a signup."""
        with self._lock:
            self._count(domain, now)

    def hold_up(self, now: datetime) -> None:
        """Count a request that is to be made once more, apart from those let in."""
        with self._lock:
            self._slot_of(now)[HELD_UP] += 1

    def since(self, start: datetime, domain: str = ALL) -> int:
        """How many asked since then, within the last hour, to the precision of `SLOT`."""
        first = _slot(start)
        with self._lock:
            return sum(counted[domain] for slot, counted in self._slots.items() if slot >= first)

    def seconds_until_less(self, start: datetime, domain: str, now: datetime) -> int:
        """When the oldest of those who asked since `start` will count no longer."""
        first = _slot(start)
        with self._lock:
            oldest = min(
                (
                    slot
                    for slot, counted in self._slots.items()
                    if slot >= first and counted[domain]
                ),
                default=_slot(now - HOUR),
            )
        return max(1, (oldest + 1) * SLOT + int(HOUR.total_seconds()) - int(now.timestamp()))

    def _count(self, domain: str, at: datetime) -> None:
        counted = self._slot_of(at)
        counted[ALL] += 1
        counted[domain] += 1

    def _slot_of(self, at: datetime) -> Counter[str]:
        return self._slots.setdefault(_slot(at), Counter())

    def _forget(self, now: datetime) -> None:
        oldest = _slot(now - HOUR)
        for slot in [slot for slot in self._slots if slot < oldest]:
            del self._slots[slot]


def recent() -> Recent:
    """The counts of the running application."""
    return cast(Recent, current_app.extensions["recent_signups"])


def _slot(at: datetime) -> int:
    return int(at.timestamp()) // SLOT
