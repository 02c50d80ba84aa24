"""The web worker: gunicorn's threads, with visitors who stall sent away."""

import errno
import os
import socket
import struct
from typing import Any

from gunicorn.workers.gthread import (  # type: ignore[import-untyped]  # it ships no types
    TConn,
    ThreadWorker,
)

RECEIVE_SECONDS = 15  # without a byte of a request that has begun
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


def _impatient(accepted: Any) -> Connection:
    connection = Connection(fileno=accepted.detach())
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, TIMEVAL.pack(RECEIVE_SECONDS, 0))
    return connection
