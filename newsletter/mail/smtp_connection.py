"""One connection to the relay: a socket that never blocks, and the conversation on it.

Giving up before the final dot costs nothing but another try, so everything up to it shares one
limit; after it a short limit would only manufacture doubt (RFC 5321 4.5.3.2.6).
"""

import contextlib
import errno
import os
import selectors
import socket
import ssl
from collections import deque
from dataclasses import dataclass
from itertools import islice
from time import monotonic

from newsletter.mail.smtp_address import RelayAddress
from newsletter.mail.smtp_answers import Answer, Answered, Message, Outcome, Stage
from newsletter.mail.smtp_protocol import CLOSING, Conversation

_READ_SIZE = 65536
_BUFFERS_AT_ONCE = 512  # sendmsg takes 1,024
_TLS_RECORD = 16384

_Candidate = tuple[int, int, int, tuple[str | int, ...] | tuple[int, bytes] | str]


@dataclass(frozen=True)
class Limits:
    """How long to wait, in seconds, and when to close a connection.

    `connect` is for opening the socket, `before_dot` for everything up to the final dot
    together, `after_dot` for the answer to it, `idle` for keeping a connection without use.
    """

    connect: float = 30
    before_dot: float = 300
    after_dot: float = 600
    idle: float = 30
    messages_per_connection: int = 500


class Connection:
    """Carries one message after the other; opened when it is needed and again when it broke.

    After `carry`, call `step` whenever the selector names this connection and `give_up_at` when
    `deadline` has passed, until `answered` is there.
    """

    def __init__(
        self,
        address: RelayAddress,
        helo: str,
        limits: Limits,
        tls: ssl.SSLContext | None,
        selector: selectors.BaseSelector,
    ) -> None:
        self.answered: Answered | None = None
        self._address = address
        self._helo = helo
        self._limits = limits
        self._tls = tls
        self._selector = selector
        self._talk = Conversation(address, helo)
        self._socket: socket.socket | None = None
        self._candidates: deque[_Candidate] = deque()
        self._is_connected = False
        self._watched = 0
        self._is_used = False
        self._carried = 0
        self._knocked_at = 0.0
        self._begun_at = 0.0
        self._dot_left_at: float | None = None
        self._idle_since = 0.0

    @property
    def deadline(self) -> float:
        """When to give up what is being waited for, on the monotonic clock."""
        if self._dot_left_at is not None:
            return self._dot_left_at + self._limits.after_dot
        overall = self._begun_at + self._limits.before_dot
        if self._is_connected:
            return overall
        return min(overall, self._knocked_at + self._limits.connect)

    def carry(self, message: Message) -> None:
        """Begin a message, on the open connection if that is still good."""
        self.answered = None
        self._message = message
        self._begun_at = monotonic()
        self._dot_left_at = None
        if self._is_good():
            self._is_used = True
            self._talk.begin(message)
            self.step()
        else:
            self.close()
            self._open()

    def step(self) -> None:
        """Do what can be done without waiting."""
        try:
            self._advance()
        except OSError as error:
            self._talk.lose(_sentence(error))
        self._settle()

    def give_up_at(self, now: float) -> None:
        """Settle the message by how far it had come, if its time is over."""
        if self.answered or now < self.deadline:
            return
        if self._candidates and not self._is_connected:
            self._knock()
        else:
            self._talk.lose("The server did not answer in time.")
        self._settle()

    def close(self) -> None:
        """Say goodbye if the server listens, and do not wait: nothing depends on its reply."""
        if self._socket and self._talk.is_idle:
            self._talk.quit()
            with contextlib.suppress(OSError):  # it is gone already, which is what we want
                self._write(self._socket)
        self._drop()

    def _is_good(self) -> bool:
        return (
            self._talk.is_idle
            and self._carried < self._limits.messages_per_connection
            and self._begun_at - self._idle_since < self._limits.idle
        )

    # Opening

    def _open(self) -> None:
        self._is_used = False
        self._carried = 0
        self._talk = Conversation(self._address, self._helo)
        self._talk.begin(self._message)
        try:
            self._candidates = _resolve(self._address)
        except OSError as error:
            self._talk.lose(_sentence(error))
        else:
            self._knock()
        self._settle()

    def _knock(self) -> None:
        """Try the addresses of the host in turn until one may answer."""
        while self._candidates:
            self._drop()
            self._knocked_at = monotonic()
            family, kind, protocol, where = self._candidates.popleft()
            try:
                self._connect(socket.socket(family, kind, protocol), where)
            except OSError as error:
                self._fail_to_connect(error)
            else:
                return

    def _connect(self, new: socket.socket, where: object) -> None:
        self._socket = new
        new.settimeout(0)
        if new.family != socket.AF_UNIX:
            # a dot in a packet of its own must not wait for the receipt of the body
            new.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        error = new.connect_ex(where)  # type: ignore[arg-type] # typeshed: any address
        if error not in (0, errno.EINPROGRESS):
            raise OSError(error, os.strerror(error))
        self._watch(selectors.EVENT_WRITE)

    def _fail_to_connect(self, error: OSError) -> None:
        if not self._candidates:
            self._talk.lose(_sentence(error))

    def _finish_connecting(self, new: socket.socket) -> None:
        error = new.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._fail_to_connect(OSError(error, os.strerror(error)))
            self._knock()
        else:
            self._candidates.clear()
            self._is_connected = True
            self._talk.connected()

    def _has_shaken_hands(self, plain: socket.socket) -> bool:
        """Encrypt; give False while the server has its turn."""
        if self._tls is None:
            raise ssl.SSLError("There is nothing to verify a certificate with.")
        if not isinstance(plain, ssl.SSLSocket):
            self._watch(0)  # wrapping takes the descriptor away, even when it fails
            plain = self._socket = self._tls.wrap_socket(
                plain, server_hostname=self._address.host, do_handshake_on_connect=False
            )
        try:
            plain.do_handshake()
        except ssl.SSLWantReadError:
            self._watch(selectors.EVENT_READ)
            return False
        except ssl.SSLWantWriteError:
            self._watch(selectors.EVENT_WRITE)
            return False
        self._talk.secured()
        return True

    # Talking

    def _advance(self) -> None:
        if self._socket and not self._is_connected:
            self._finish_connecting(self._socket)
        if not self._socket or not self._is_connected:
            return
        if not self._talk.wants_tls:
            self._exchange(self._socket)
        if self._talk.wants_tls and self._has_shaken_hands(self._socket):
            self._exchange(self._socket)

    def _exchange(self, line: socket.socket) -> None:
        try:
            self._write(line)
            self._read(line)
            if not self._talk.is_over:
                self._write(line)
        except OSError:
            self._read(line)  # the server may have said why before it hung up
            raise

    def _write(self, line: socket.socket) -> None:
        wanted = selectors.EVENT_READ
        try:
            while self._talk.outgoing:
                self._write_some(line)
        except (BlockingIOError, ssl.SSLWantWriteError):
            wanted |= selectors.EVENT_WRITE
        except ssl.SSLWantReadError:
            pass  # reading comes first, and is watched for anyway
        self._watch(wanted)

    def _write_some(self, line: socket.socket) -> None:
        outgoing = self._talk.outgoing
        if isinstance(line, ssl.SSLSocket):
            record = _first_octets(outgoing)
            self._talk.reached(len(record))  # once encrypted, nobody can tell how much has left
            self._talk.written(line.send(record))
        else:
            self._talk.written(line.sendmsg(list(islice(outgoing, _BUFFERS_AT_ONCE))))

    def _read(self, line: socket.socket) -> None:
        try:
            data = line.recv(_READ_SIZE)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        if data:
            self._talk.receive(data)
        else:
            self._talk.lose("The server closed the connection.")

    def _settle(self) -> None:
        if self._talk.is_over:
            self._drop()
        if self._talk.answers:
            answered = self._talk.answers.popleft()
            if self._was_gone_before(answered.answer):
                self._open()
                return
            self.answered = answered
            self._carried += 1
            self._idle_since = monotonic()
        elif self._dot_left_at is None and self._talk.dot_can_have_left:
            self._dot_left_at = monotonic()

    def _was_gone_before(self, answer: Answer) -> bool:
        """Whether the server had left a connection in use before it heard of the new message."""
        return (
            self._is_used
            and answer.outcome is Outcome.NOT_NOW
            and answer.stage in (Stage.RESET, Stage.MAIL)
            and answer.code in (None, CLOSING)
            and monotonic() < self.deadline
        )

    # The socket

    def _watch(self, events: int) -> None:
        if self._socket is None or events == self._watched:
            return
        descriptor = self._socket.fileno()
        if not events:
            self._selector.unregister(descriptor)
        elif self._watched:
            self._selector.modify(descriptor, events, self)
        else:
            self._selector.register(descriptor, events, self)
        self._watched = events

    def _drop(self) -> None:
        if self._socket is None:
            return
        self._watch(0)
        self._socket.close()
        self._socket = None
        self._is_connected = False


def _resolve(address: RelayAddress) -> deque[_Candidate]:
    if address.path is not None:
        return deque([(socket.AF_UNIX, socket.SOCK_STREAM, 0, address.path)])
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    return deque((family, kind, protocol, where) for family, kind, protocol, _, where in found)


def _first_octets(buffers: deque[bytes | memoryview]) -> bytes:
    """One TLS record at most; the same again, or longer, as long as nothing was taken away."""
    taken: list[memoryview] = []
    room = _TLS_RECORD
    for buffer in buffers:
        taken.append(memoryview(buffer)[:room])
        room -= len(taken[-1])
        if not room:
            break
    return b"".join(taken)


def _sentence(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"The certificate of the server is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"The encrypted connection failed: {error.reason or error}"
    return error.strerror or str(error)
