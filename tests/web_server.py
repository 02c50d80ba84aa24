"""A web server and a name server of our own, which answer as badly as a test wants."""

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Event, Thread

import dns.flags
import dns.message
import dns.name
import dns.resolver
import dns.rrset

Script = Callable[[socket.socket, bytes], None]


class WebServer:
    """Hands each connection and the request on it to a script, and keeps the requests."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self._script, self._tls = script, tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.requests: list[bytes] = []
        self.over = Event()
        Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """End it; scripts that hang wait for `over`."""
        self.over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        with line, suppress(OSError):
            if self._tls:
                line = self._tls.wrap_socket(line, server_side=True)
            request = b""
            while b"\r\n\r\n" not in request:
                piece = line.recv(4096)
                if not piece:
                    break
                request += piece
            if request:
                self.requests.append(request)
            self._script(line, request)
            line.close()


def say(status: int, *headers: str, body: bytes = b"") -> Script:
    """Answer every request so."""
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", *headers, "", ""]
    answer = "\r\n".join(lines).encode("utf-8")

    def script(line: socket.socket, request: bytes) -> None:
        line.sendall(answer + (b"" if request.startswith(b"HEAD") else body))

    return script


class NameServer:
    """Answers from a table of names; what is not in it does not exist."""

    def __init__(self, zone: Mapping[str, list[str]]) -> None:
        self.zone = dict(zone)
        self.asked: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        Thread(target=self._serve, daemon=True).start()

    @property
    def resolver(self) -> dns.resolver.Resolver:
        """Somebody who asks this server and no other."""
        found = dns.resolver.Resolver(configure=False)
        found.nameservers = ["127.0.0.1"]
        found.port = self._socket.getsockname()[1]
        return found

    def close(self) -> None:
        """Answer nobody any more."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                wire, client = self._socket.recvfrom(4096)
            except OSError:
                return
            if wire:
                self._socket.sendto(self._answer(dns.message.from_wire(wire)).to_wire(), client)

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        (question,) = query.question
        name = question.name.to_text().rstrip(".").lower()
        kind = question.rdtype.name
        self.asked.append(f"{name} {kind}")
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        rows = self.zone.get(name)
        if rows is None:
            below = any(other.endswith(f".{name}") for other in self.zone)
            answer.set_rcode(dns.rcode.NOERROR if below else dns.rcode.NXDOMAIN)
            return answer
        records = [row.partition(" ")[2] for row in rows if row.startswith(f"{kind} ")]
        if records:
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *records))
        return answer


@contextmanager
def names(zone: Mapping[str, list[str]]) -> Iterator[NameServer]:
    """A name server for as long as the block lasts."""
    server = NameServer(zone)
    try:
        yield server
    finally:
        server.close()
