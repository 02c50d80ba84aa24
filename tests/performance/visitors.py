"""Visitors over HTTP/1.1: connections that stay open, each with one request under way.

One thread and one `select`, so that little of what is measured is the visitors' own.
"""

import re
import selectors
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic, process_time

END_OF_HEAD = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
CLOSES = re.compile(rb"\r\nconnection: close\r\n", re.IGNORECASE)
CHUNK = 256 * 1024  # bytes
SILENCE = 60.0  # seconds until a server is given up
WITHOUT_BODY = {204, 304}

Ask = Callable[[], bytes]


@dataclass
class Visits:
    """What visitors saw, and what it took them, in seconds."""

    seconds: float = 0.0
    own_cpu: float = 0.0
    octets: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.waits) / self.seconds

    def wait(self, share: float) -> float:
        """The milliseconds within which such a share of all answers had come."""
        return sorted(self.waits)[min(int(share * len(self.waits)), len(self.waits) - 1)] * 1e3


def get(path: str, *, host: str, **headers: str) -> bytes:
    """A request for a page; an underscore in a header's name stands for a hyphen."""
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", *_lines(headers)]
    return "\r\n".join([*lines, "", ""]).encode()


def post(path: str, body: bytes, *, host: str, **headers: str) -> bytes:
    """A form that is sent."""
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: {host}",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(body)}",
        *_lines(headers),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def visit(port: int, ask: Ask, *, connections: int, seconds: float) -> Visits:
    """Ask again and again on so many connections, for so long; `ask` makes each request."""
    seen = Visits()
    visitors = [_Visitor(port, ask) for _ in range(connections)]
    with selectors.DefaultSelector() as selector:
        cpu, begun = process_time(), monotonic()
        try:
            for visitor in visitors:
                visitor.open(selector)
            _watch(selector, seen, until=begun + seconds)
        finally:
            for visitor in visitors:
                visitor.close(selector)
        seen.seconds = monotonic() - begun
        seen.own_cpu = process_time() - cpu
    return seen


def _watch(selector: selectors.BaseSelector, seen: Visits, until: float) -> None:
    """Take in answers, and ask again until it is time; then wait for the last ones."""
    while selector.get_map():
        ready = selector.select(SILENCE)
        if not ready:
            raise TimeoutError(f"no answer for {SILENCE:.0f} s")
        for key, _ in ready:
            visitor: _Visitor = key.data
            if not visitor.read(seen):
                continue
            if monotonic() < until:
                visitor.ask_again(selector)
            else:
                visitor.close(selector)


class _Visitor:
    """One connection and the answer that is arriving on it."""

    def __init__(self, port: int, ask: Ask) -> None:
        self._port = port
        self._ask = ask
        self._socket: socket.socket | None = None
        self._answer = bytearray()
        self._end: int | None = None  # of the answer, once its head is there
        self._asked_at = 0.0
        self._status = 0
        self._is_ending = False

    def open(self, selector: selectors.BaseSelector) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=SILENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(self._socket, selectors.EVENT_READ, self)
        self._send(self._socket)

    def ask_again(self, selector: selectors.BaseSelector) -> None:
        """The next request, on a new connection if the server closes this one."""
        if self._is_ending or self._socket is None:
            self.close(selector)
            self.open(selector)
        else:
            self._send(self._socket)

    def close(self, selector: selectors.BaseSelector) -> None:
        if self._socket is not None:
            selector.unregister(self._socket)
            self._socket.close()
            self._socket = None

    def read(self, seen: Visits) -> bool:
        """Take in what has come; whether the answer is complete, and then counted."""
        chunk = self._socket.recv(CHUNK) if self._socket else b""
        if not chunk:
            raise ConnectionResetError("the server hung up in the middle of an answer")
        self._answer += chunk
        if self._end is None and (head := self._answer.find(END_OF_HEAD)) >= 0:
            self._end = head + len(END_OF_HEAD) + self._read_head(bytes(self._answer[: head + 2]))
        if self._end is None or len(self._answer) < self._end:
            return False
        seen.waits.append(monotonic() - self._asked_at)
        seen.statuses[self._status] += 1
        seen.octets += self._end
        return True

    def _send(self, connection: socket.socket) -> None:
        request = self._ask()
        self._answer.clear()
        self._end = None
        self._asked_at = monotonic()
        connection.sendall(request)

    def _read_head(self, head: bytes) -> int:
        """Note the status and whether the connection ends; how long the body is."""
        self._status = int(head[9:12])
        self._is_ending = CLOSES.search(head) is not None
        length = LENGTH.search(head)
        if self._status in WITHOUT_BODY:
            return 0
        if length is None:
            raise ValueError("an answer without a length")
        return int(length[1])


def _lines(headers: dict[str, str]) -> list[str]:
    return [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
