"""The web worker: gunicorn's threads, with visitors who stall sent away.

Until Python 3.12, garbage is collected in the middle of making an object. What is run by that,
such as SQLAlchemy's callbacks, may let another thread go on, which finds the half-made object's
dictionary: workers with many threads died of it within minutes under load. So here it is collected
between two requests.
"""

import errno
import gc
import os
import socket
import struct
from typing import Any

from gunicorn.workers.gthread import (  # type: ignore[import-untyped]  # it ships no types
    TConn,
    ThreadWorker,
)

RECEIVE_SECONDS = 15  # without a byte of a request that has begun
MOST_GARBAGE = 20_000  # objects made and not freed since the last look at them
TIMEVAL = struct.Struct("ll")  # seconds, microseconds


class Connection(socket.socket):
    """A visitor's connection; one that stalls counts as one that the visitor has closed."""

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Receive; raises `ConnectionResetError` after `RECEIVE_SECONDS` of silence."""
        try:
            return super().recv(size, flags)
        except BlockingIOError:  # from the kernel's time-out: nobody reads without blocking
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)) from None


class Worker(ThreadWorker):  # type: ignore[misc]  # the same
    """Gunicorn's gthread, whose threads would wait for the rest of a request for ever."""

    def enqueue_req(self, conn: TConn) -> None:
        """Let a thread take the connection's next request."""
        if not isinstance(conn.sock, Connection):
            conn.sock = _impatient(conn.sock)
        super().enqueue_req(conn)

    def run(self) -> None:
        """Serve, with what the application is made of left out of all collections."""
        gc.collect()
        gc.freeze()
        gc.disable()
        super().run()

    def handle(self, conn: TConn) -> object:
        """Answer one request, in a thread."""
        try:
            return super().handle(conn)
        finally:
            _collect_garbage()


def _impatient(accepted: Any) -> Connection:
    connection = Connection(fileno=accepted.detach())
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, TIMEVAL.pack(RECEIVE_SECONDS, 0))
    return connection


def _collect_garbage() -> None:
    """Look through the oldest generation whose turn it is, as Python would by itself."""
    young, middle, old = gc.get_count()
    if young > MOST_GARBAGE:
        _, middle_threshold, old_threshold = gc.get_threshold()
        is_turn_of_middle = middle > middle_threshold
        gc.collect(is_turn_of_middle + (is_turn_of_middle and old > old_threshold))
