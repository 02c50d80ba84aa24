"""How a sender writes: on a connection of its own, kept past session and pool, and patiently.

A group takes a transaction, and there are hundreds in a second. What a session and a pool do
around each costs as much as the group itself; on PostgreSQL, the usual group is one statement and
so one round trip.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Self, cast

from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.pool import PoolProxiedConnection

from newsletter.database import db, is_sqlite
from newsletter.delivery import ledger
from newsletter.delivery.group import Group
from newsletter.delivery.ledger import Cleared, Entry, Lease, Waiting
from newsletter.delivery.overlap import OverlappingConnection
from newsletter.delivery.patience import LOST, persistently
from newsletter.delivery.prepared import Pen
from newsletter.delivery.slots import Slot

BEGIN = {True: "BEGIN IMMEDIATE", False: "BEGIN"}

log = logging.getLogger(__name__)


class Books:
    """What one sender writes into the ledger; used by one thread."""

    def __init__(self, slot: Slot, clock: Callable[[], datetime]) -> None:
        self._slot = slot
        self._clock = clock
        self._begin = BEGIN[is_sqlite()]
        self._connection: OverlappingConnection | PoolProxiedConnection | None = None
        self._pen: Pen | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def claim(self) -> tuple[Lease, list[Waiting]] | None:
        """Lease one batch more; give it with what waits in it. Raises one of `LOST` in the end.

        Who was erased meanwhile is skipped here, without an address.
        """

        def claim_it() -> tuple[Lease, list[Waiting]] | None:
            with self._transaction() as pen:
                lease = ledger.claim(self._slot, self._clock(), pen)
                if lease is None:
                    return None
                waiting = ledger.waiting(lease, pen)
                if erased := [delivery.id for delivery in waiting if not delivery.address]:
                    with ledger.entry(self._slot, self._clock(), pen) as entry:
                        entry.mark(lease, erased)
                return lease, [delivery for delivery in waiting if delivery.address]

        return persistently(claim_it)

    def write(
        self, group: Group, *, may_mark: bool, meanwhile: Callable[[], None] | None = None
    ) -> Cleared:
        """Write a group down; say what may leave now. Raises one of `LOST` in the end.

        `meanwhile` is done while PostgreSQL works; otherwise it is not done at all.
        """
        at_once: set[int] = set()
        is_repeated = False
        if may_mark and not is_sqlite():
            try:
                entry = Entry(self._slot, self._clock(), self._open(meanwhile))
                for marked in group.turn_over(entry):
                    at_once |= marked
            except LOST as error:
                log.warning("the database was lost (%s); once more", type(error).__name__)
                self._close()
                is_repeated = True
        if not group:
            return Cleared(frozenset(at_once), goes_on=may_mark)

        def write_the_rest() -> Cleared:
            nonlocal is_repeated
            was_repeated, is_repeated = is_repeated, True
            with self._entry() as entry:
                return group.write(entry, may_mark=may_mark, is_repeated=was_repeated)

        rest = persistently(write_the_rest)
        return Cleared(rest.ids | at_once, rest.goes_on)

    def give_back(self, leases: Sequence[Lease]) -> None:
        """End leases. Raises one of `LOST` in the end."""

        def write_it() -> None:
            with self._entry() as entry:
                for lease in leases:
                    entry.give_back(lease)

        persistently(write_it)

    @contextmanager
    def _entry(self) -> Iterator[Entry]:
        """One transaction, with its tally."""
        with (
            self._transaction() as pen,
            ledger.entry(self._slot, self._clock(), pen) as entry,
        ):
            yield entry

    @contextmanager
    def _transaction(self) -> Iterator[Pen]:
        pen = self._open()
        try:
            pen.cursor.execute(self._begin)
            yield pen
            pen.cursor.execute("COMMIT")
        except BaseException:
            self._close()  # the database rolls back what had begun
            raise

    def _open(self, meanwhile: Callable[[], None] | None = None) -> Pen:
        if self._pen is None:
            self._connection = _connect()
            cursor = cast(DBAPICursor, self._connection.cursor())
            self._pen = Pen(cursor, db.engine.dialect)
        if isinstance(self._connection, OverlappingConnection):
            self._connection.meanwhile = meanwhile
        return self._pen

    def _close(self) -> None:
        self._pen = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _connect() -> OverlappingConnection | PoolProxiedConnection:
    """A connection that nobody else uses."""
    if not is_sqlite():
        return OverlappingConnection.like(db.engine)
    pooled = db.engine.raw_connection()
    pooled.detach()
    return pooled
