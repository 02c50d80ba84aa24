"""One connection to the relay: a socket that never blocks, and the conversation on it.

Giving up before the final dot costs nothing but another try; after it a short limit would only
manufacture doubt (RFC 5321 4.5.3.2.6).
"""

import contextlib
import errno
import math
import os
import selectors
import socket
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from newsletter.mail.smtp_address import RelayAddress
from newsletter.mail.smtp_answers import Message, Turn
from newsletter.mail.smtp_protocol import Conversation
from newsletter.mail.smtp_socket import TLS_RECORD, Candidate, Resolver, first_octets, in_words

_BUFFERS_AT_ONCE = 512  # sendmsg takes 1,024


@dataclass(frozen=True)
class Limits:
    """How long to wait, in seconds, and when to close a connection.

    `connect` is for opening the socket, `opening` for greeting, EHLO, encryption and login,
    `before_dot` for everything up to 354 together and again for the body, `after_dot` for the
    answer to it, `idle` for keeping a connection without use. An answer is `late` long before it
    is given up; after so much `silence` a relay that answers no final dot is better left alone.
    """

    connect: float = 30
    opening: float = 60
    before_dot: float = 300
    after_dot: float = 600
    idle: float = 30
    late: float = 10
    silence: float = 120
    messages_per_connection: int = 500

    @property
    def shortest_wait(self) -> float:
        """No wait that begins now is over sooner."""
        return min(self.connect, self.opening, self.before_dot, self.after_dot)


@dataclass(frozen=True)
class Route:
    """What all connections to one relay have in common."""

    address: RelayAddress
    helo: str
    limits: Limits
    tls: ssl.SSLContext | None
    resolver: Resolver
    selector: selectors.BaseSelector
    turn: Turn


class Connection:
    """Carries messages one behind the other; opened when it is needed and again when it broke.

    `offer`, `clear` and `withdraw` only say what is wanted; `flush` does it. After that, call
    `step` whenever the selector names this connection, and `check` when `deadline` has passed.
    What happens is told in the turn.
    """

    def __init__(self, route: Route) -> None:
        self._route = route
        self._limits = route.limits
        self._talk = Conversation(route.address, route.helo, route.turn)
        self._socket: socket.socket | None = None
        self._candidates: deque[Candidate] = deque()
        self._is_connected = False
        self._watched = 0
        self._carried = 0
        self._knocked_at = 0.0
        self._since = 0.0
        self._settled = 0
        self._dot_left_at: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a socket, connected or on its way."""
        return self._socket is not None

    @property
    def has_room(self) -> bool:
        """Whether a message may be offered; a worn connection is renewed between two messages."""
        talk = self._talk
        return talk.has_room and not (talk.is_leaving and self._is_worn)

    @property
    def is_busy(self) -> bool:
        """Whether there is a message on it."""
        return self._talk.is_leaving or not self._talk.has_room

    @property
    def owes_answers(self) -> bool:
        """Whether there is a message on it that was not withdrawn."""
        return self._talk.owes_answers

    @property
    def is_leaving(self) -> bool:
        """Whether a message would have to wait for the answer to the one before."""
        return self._talk.is_leaving

    @property
    def waits_since(self) -> float:
        """When the wait for an answer began, on the monotonic clock; infinity without a wait."""
        return self._since if self.is_busy else math.inf

    @property
    def deadline(self) -> float:
        """When to give up what is being waited for, on the monotonic clock."""
        if self._socket is None:
            return math.inf
        if self._dot_left_at is not None:
            return self._dot_left_at + self._limits.after_dot
        overall = self._since + self._limits.before_dot
        if not self._is_connected:
            return min(overall, self._knocked_at + self._limits.connect)
        if not self._talk.is_open:
            return min(overall, self._since + self._limits.opening)
        if self._talk.is_waiting:
            return overall
        return self._since + self._limits.idle if self._talk.is_idle else math.inf

    # What the caller wants

    def offer(self, message: Message) -> None:
        """Take a message, on the open connection if that is still good."""
        if not self._talk.is_leaving:
            self._begin_anew()
        self._talk.offer(message)
        self._carried += 1

    def clear(self) -> None:
        """Let the body of the message that is ready leave."""
        self._talk.clear()
        self._since = monotonic()

    def withdraw(self, key: int) -> None:
        """Let nothing more of an uncleared message leave."""
        self._talk.withdraw(key)
        self._settle()

    def flush(self) -> None:
        """Do what is wanted, as far as it goes without waiting."""
        if self._socket is None:
            if self.is_busy:
                self._open()
        elif self._is_connected and not self._talk.wants_tls:
            self._talk.pump()
            self._attempt(self._speak)

    def close(self) -> None:
        """Say goodbye if the server listens, and do not wait: nothing depends on its reply.

        A message that is under way gets no answer.
        """
        if self._socket and self._talk.is_idle:
            self._talk.quit()
            with contextlib.suppress(OSError):  # it is gone already, which is what we want
                self._write(self._socket)
        self._drop()

    # What happens

    def step(self) -> None:
        """Do what can be done without waiting."""
        self._attempt(self._advance)

    def check(self, now: float) -> None:
        """Give up what takes too long; close what nobody uses."""
        if now < self.deadline:
            return
        if self._talk.is_idle:
            self.close()
        elif self._candidates and not self._is_connected:
            self._knock()
            self._settle()
        else:
            self._talk.give_up("The server did not answer in time.")
            self._settle()

    @property
    def _is_worn(self) -> bool:
        """Whether a new one is better: an operator may have raised the limit that was outgrown."""
        too_many = self._carried >= self._limits.messages_per_connection
        return too_many or self._talk.is_outgrown

    def _begin_anew(self) -> None:
        now = monotonic()
        if self._talk.is_idle and (self._is_worn or now >= self._since + self._limits.idle):
            self.close()
        if self._socket is None or self._talk.is_idle:
            self._since = now  # one that is still being opened has been waited for since before

    def _attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
        except OSError as error:
            self._talk.lose(in_words(error))
        self._settle()

    def _settle(self) -> None:
        """Note what time it was when something began, and clean up behind the end."""
        talk = self._talk
        if talk.settled != self._settled:
            self._settled = talk.settled
            self._since = monotonic()
            self._dot_left_at = None
        if talk.is_over:
            self._drop()
            if talk.unheard:
                self.offer(talk.unheard)
                self._open()

    # Opening

    def _open(self) -> None:
        try:
            self._candidates = self._route.resolver.candidates()
        except OSError as error:
            self._talk.lose(in_words(error))
        else:
            self._knock()
        self._settle()

    def _knock(self) -> None:
        """Try the addresses of the host in turn until one may answer."""
        while self._candidates:
            self._hang_up()
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
            self._talk.lose(in_words(error))

    def _finish_connecting(self, new: socket.socket) -> None:
        error = new.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._fail_to_connect(OSError(error, os.strerror(error)))
            self._knock()
        else:
            self._candidates.clear()
            self._is_connected = True
            self._watch(selectors.EVENT_READ)
            self._talk.connected()

    def _has_shaken_hands(self, plain: socket.socket) -> bool:
        """Encrypt; give False while the server has its turn."""
        if self._route.tls is None:
            raise ssl.SSLError("There is nothing to verify a certificate with.")
        if not isinstance(plain, ssl.SSLSocket):
            self._watch(0)  # wrapping takes the descriptor away, even when it fails
            plain = self._socket = self._route.tls.wrap_socket(
                plain, server_hostname=self._route.address.host, do_handshake_on_connect=False
            )
        try:
            plain.do_handshake()
        except ssl.SSLWantReadError:
            self._watch(selectors.EVENT_READ)
            return False
        except ssl.SSLWantWriteError:
            self._watch(selectors.EVENT_WRITE)
            return False
        self._watch(selectors.EVENT_READ)
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
        self._read(line)
        if self._talk.outgoing:
            self._speak()

    def _speak(self) -> None:
        line = self._socket
        if line is None:
            return
        try:
            self._write(line)
        except OSError:
            self._read(line)  # the server may have said why before it hung up
            raise
        if self._dot_left_at is None and self._talk.dot_can_have_left:
            self._dot_left_at = monotonic()

    def _write(self, line: socket.socket) -> None:
        wanted = selectors.EVENT_READ
        try:
            while self._talk.outgoing:
                self._write_some(line)
        except (BlockingIOError, ssl.SSLWantWriteError):
            wanted |= selectors.EVENT_WRITE
        except ssl.SSLWantReadError:
            pass  # reading comes first, and is watched for anyway
        if wanted != self._watched:
            self._watch(wanted)

    def _write_some(self, line: socket.socket) -> None:
        outgoing = self._talk.outgoing
        if isinstance(line, ssl.SSLSocket):
            record = first_octets(outgoing)
            self._talk.reached(len(record))  # once encrypted, nobody can tell how much has left
            self._talk.written(line.send(record))
        else:
            self._talk.written(line.sendmsg(outgoing[:_BUFFERS_AT_ONCE]))

    def _read(self, line: socket.socket) -> None:
        try:
            data = line.recv(TLS_RECORD)  # no less, or a decrypted rest would wait unseen
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        if data:
            self._talk.receive(data)
        else:
            self._talk.lose("The server closed the connection.")

    # The socket

    def _watch(self, events: int) -> None:
        if self._socket is None or self._watched == events:
            return
        descriptor = self._socket.fileno()
        selector = self._route.selector
        if not events:
            selector.unregister(descriptor)
        elif self._watched:
            selector.modify(descriptor, events, self)
        else:
            selector.register(descriptor, events, self)
        self._watched = events

    def _hang_up(self) -> None:
        if self._socket is None:
            return
        self._watch(0)
        self._socket.close()
        self._socket = None
        self._is_connected = False

    def _drop(self) -> None:
        """Be as new."""
        self._hang_up()
        self._candidates.clear()
        self._talk = Conversation(self._route.address, self._route.helo, self._route.turn)
        self._carried = 0
        self._settled = 0
        self._dot_left_at = None
