"""Transactions of a process that has mail on the wire: it must not lose what it has heard."""

import logging
import sqlite3
import time
from collections.abc import Callable
from time import monotonic
from typing import TypeVar

import psycopg
from sqlalchemy.exc import InterfaceError, OperationalError

from newsletter.database import CUT_OFF, transaction

PATIENCE = 20.0  # s with a database that does not answer; a lease lasts longer
PAUSE = 0.5  # s between two tries
LOST = (  # the database was cut off, or had no time for us
    OperationalError,
    InterfaceError,
    psycopg.OperationalError,
    sqlite3.OperationalError,
    *CUT_OFF,
)

T = TypeVar("T")

log = logging.getLogger(__name__)


def patiently(work: Callable[[], T]) -> T:
    """Do something in a transaction, and again when the database was lost meanwhile."""

    def in_transaction() -> T:
        with transaction():
            return work()

    return persistently(in_transaction)


def persistently(transact: Callable[[], T]) -> T:
    """Do a whole transaction, and again when the database was lost meanwhile.

    Nobody knows then whether the lost one was committed, so doing it twice must come to the same.
    Raises one of `LOST` when the leases could run out.
    """
    until = monotonic() + PATIENCE
    while True:
        try:
            return transact()
        except LOST as error:
            if monotonic() > until:
                raise
            log.warning("the database was lost (%s); once more", type(error).__name__)
            time.sleep(PAUSE)
