"""A small SMTP server whose every word can be scripted, for the misbehaviour of real relays.

By itself it behaves, keeps what it accepts, and offers PIPELINING; it holds a client to what it
offers: no other parameters, and letters beyond ASCII with SMTPUTF8 alone. A test gives it an `Act`
for a stage ("greeting", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "body", "dot",
"rset"), or a list of them for one connection after the other.
"""

import socket
import ssl
import threading
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

Act = Callable[["Session"], None]

EXTENSIONS = ("PIPELINING", "SIZE 100000000", "8BITMIME", "ENHANCEDSTATUSCODES")
WITH_UTF8 = (*EXTENSIONS, "SMTPUTF8")


class Gone(Exception):
    """The connection ends here."""


def say(text: str) -> Act:
    """Answer with this (and nothing else)."""
    return lambda session: session.say(text)


def drop(session: "Session") -> None:
    """Close the connection without a word."""
    raise Gone


def hang(session: "Session") -> None:
    """Say nothing until the server is stopped."""
    session.server.stopped.wait(30)
    raise Gone


def say_and_drop(text: str) -> Act:
    """Answer, then close the connection."""

    def act(session: "Session") -> None:
        session.say(text)
        raise Gone

    return act


def trickle(text: str, pause: float) -> Act:
    """Answer one octet at a time."""

    def act(session: "Session") -> None:
        for character in text + "\r\n":
            session.socket.sendall(character.encode())
            if session.server.stopped.wait(pause):
                raise Gone

    return act


def slowly(seconds: float) -> Act:
    """Behave, but only after a while."""

    def act(session: "Session") -> None:
        session.server.stopped.wait(seconds)
        session.behave()

    return act


def behave(session: "Session") -> None:
    """Do what a good server does at this stage."""
    session.behave()


def once(act: Act) -> Act:
    """Do this the first time, behave from then on."""
    return later(0, act)


def later(times: int, act: Act) -> Act:
    """Behave so many times, then do this once, and behave from then on."""
    acts = iter([*[behave] * times, act])

    def play(session: "Session") -> None:
        next(acts, behave)(session)

    return play


@dataclass
class Received:
    """A message that was accepted."""

    sender: str
    recipient: str
    octets: bytes
    connection: int
    is_utf8: bool = False


@dataclass
class SmtpServer:
    """Listens on a free loopback port, or on a unix socket, from `with` to the end of it."""

    script: Mapping[str, Act | Sequence[Act]] = field(default_factory=dict)
    extensions: Sequence[str] = EXTENSIONS
    tls: ssl.SSLContext | None = None
    tls_from_the_start: bool = False
    path: Path | None = None
    messages: list[Received] = field(default_factory=list)
    broken_off: list[bytes] = field(default_factory=list)  # what came of bodies without an end
    commands: list[str] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    connections: int = 0
    most_at_once: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        if self.path:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(self.path))
            self._listener.listen()
        else:
            self._listener = socket.create_server(("127.0.0.1", 0))
        self.lock = threading.Lock()
        self._open = 0
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stopped.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()
        for one in self._sockets:
            with suppress(OSError):  # it may be closed already
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    @property
    def port(self) -> int:
        port = self._listener.getsockname()[1]
        assert isinstance(port, int)
        return port

    @property
    def url(self) -> str:
        if self.path:
            return f"smtp+unix://{self.path}"
        return f"{'smtps' if self.tls_from_the_start else 'smtp'}://127.0.0.1:{self.port}"

    def wait_for_hangups(self) -> None:
        """Until every connection is closed."""
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive(), "A connection is still open."

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if not self.path:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection, self.connections))
            self._sockets.append(connection)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with self.lock:
            self._open += 1
            self.most_at_once = max(self.most_at_once, self._open)
        session = Session(self, connection, number)
        try:
            session.talk()
        except (Gone, OSError):
            pass
        finally:
            with self.lock:
                self._open -= 1
            session.socket.close()


class Session:
    """One connection to the server."""

    def __init__(self, server: SmtpServer, connection: socket.socket, number: int) -> None:
        self.server = server
        self.socket = connection
        self.number = number
        self.line = ""
        self.sender: str | None = None
        self.recipient: str | None = None
        self.is_utf8 = False
        self.octets = b""
        self._buffer = bytearray()

    def talk(self) -> None:
        if self.server.tls_from_the_start:
            self.encrypt()
        self.play("greeting")
        while True:
            self.line = self.read_until(b"\r\n").decode("utf-8", "replace")
            with self.server.lock:
                self.server.commands.append(self.line)
            verb = self.line.split(" ")[0].lower()
            self.play("ehlo" if verb == "helo" else verb)

    def play(self, stage: str) -> None:
        act = self.server.script.get(stage, behave)
        if not callable(act):
            act = act[self.number - 1] if self.number <= len(act) else behave
        self.stage = stage
        act(self)

    def behave(self) -> None:
        getattr(self, f"on_{self.stage}", self.on_unknown)()

    @property
    def unread(self) -> bytes:
        """What has come and was not looked at yet."""
        return bytes(self._buffer)

    def say(self, text: str) -> None:
        self.socket.sendall(text.encode("latin-1") + b"\r\n")

    def read_until(self, end: bytes) -> bytes:
        searched = 0
        while (position := self._buffer.find(end, searched)) < 0:
            searched = max(0, len(self._buffer) - len(end))
            self.read()
        line = bytes(self._buffer[:position])
        del self._buffer[: position + len(end)]
        return line

    def read(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise Gone
        self._buffer += data

    def encrypt(self) -> None:
        assert self.server.tls
        self._buffer.clear()
        self.socket = self.server.tls.wrap_socket(self.socket, server_side=True)

    def on_greeting(self) -> None:
        self.say("220 relay.example ready")

    def on_ehlo(self) -> None:
        lines = ["relay.example", *self.server.extensions]
        if self.server.tls and not isinstance(self.socket, ssl.SSLSocket):
            lines.append("STARTTLS")
        for line in lines[:-1]:
            self.say(f"250-{line}")
        self.say(f"250 {lines[-1]}")

    def on_starttls(self) -> None:
        self.say("220 2.0.0 go ahead")
        self.encrypt()

    def on_auth(self) -> None:
        _, mechanism, *initial = self.line.split(" ")
        if mechanism == "PLAIN":
            _, user, password = b64decode(initial[0]).decode().split("\0")
        else:
            self.say("334 VXNlcm5hbWU6")
            user = b64decode(self.read_until(b"\r\n")).decode()
            self.say("334 UGFzc3dvcmQ6")
            password = b64decode(self.read_until(b"\r\n")).decode()
        self.server.logins.append((user, password))
        self.say("235 2.7.0 welcome")

    def on_mail(self) -> None:
        sender, _, rest = self.line.partition("<")[2].partition(">")
        parameters = rest.split()
        if not {word.partition("=")[0] for word in parameters} <= self.known_parameters:
            self.say("555 5.5.4 a parameter that was not offered")
            return
        self.sender, self.is_utf8 = sender, "SMTPUTF8" in parameters
        self.say("250 2.1.0 sender ok")

    @property
    def known_parameters(self) -> set[str]:
        known = {extension.partition(" ")[0] for extension in self.server.extensions}
        return known | ({"BODY"} if known & {"8BITMIME", "SMTPUTF8"} else set())

    def on_rcpt(self) -> None:
        if self.sender is None:
            self.say("503 5.5.1 MAIL first")
            return
        if not (self.is_utf8 or self.line.isascii()):
            self.say("553 5.6.7 letters beyond ASCII take SMTPUTF8")
            return
        self.recipient = self.line.partition("<")[2].partition(">")[0]
        self.say("250 2.1.5 recipient ok")

    def on_data(self) -> None:
        if self.recipient:
            self.take_body()
        else:
            self.say("554 5.5.1 no valid recipient")

    def take_body(self) -> None:
        self.say("354 go ahead")
        try:
            self.play("body")
            self.octets = self.read_body()
        except Gone:
            self.server.broken_off.append(bytes(self._buffer))
            raise
        self.play("dot")
        self.sender = self.recipient = None

    def read_body(self) -> bytes:
        if self._buffer.startswith(b".\r\n"):
            return self.read_until(b".\r\n")
        return self.read_until(b"\r\n.\r\n") + b"\r\n"

    def on_body(self) -> None:
        while len(self._buffer) < len(b".\r\n"):
            self.read()

    def on_dot(self) -> None:
        if not (self.is_utf8 or self.octets.partition(b"\r\n\r\n")[0].isascii()):
            self.say("554 5.6.9 headers beyond ASCII take SMTPUTF8")
            return
        envelope = self.sender or "", self.recipient or ""
        with self.server.lock:
            self.server.messages.append(Received(*envelope, self.octets, self.number, self.is_utf8))
        self.say("250 2.0.0 taken")

    def on_rset(self) -> None:
        self.sender = self.recipient = None
        self.say("250 2.0.0 forgotten")

    def on_quit(self) -> None:
        self.say("221 2.0.0 bye")
        raise Gone

    def on_unknown(self) -> None:
        self.say("500 5.5.1 what?")
