"""Hand messages to a relay over connections that stay open, many at once, driven by one thread.

A message is offered, its envelope goes to the relay, and then it is `ready`: its body waits for
`clear`, or for `withdraw`. Every message that is not withdrawn gets exactly one answer, whatever
the relay does. "Not now" means that not one octet of the final dot was given to the kernel (over
TLS: to the encryption); after that a line that breaks or stays silent leaves the message in
doubt. On a connection at most one message is cleared and unanswered.
"""

import math
import re
import selectors
import ssl
from collections.abc import Iterable, Sequence
from time import monotonic
from types import TracebackType
from typing import Self

from newsletter.mail.smtp_address import RelayAddress, Tls
from newsletter.mail.smtp_answers import Answer, Answered, Message, Outcome, Stage, Turn
from newsletter.mail.smtp_connection import Connection, Limits, Route
from newsletter.mail.smtp_socket import Resolver

__all__ = [
    "Answer",
    "Answered",
    "Limits",
    "Message",
    "Outcome",
    "Relay",
    "RelayAddress",
    "Stage",
    "Turn",
]

_HELO = re.compile(r"[A-Za-z0-9.:\[\]-]+")


class Relay:
    """Up to `connections` connections to one relay; to be made after any fork.

    Nothing travels but in `wait`; the other verbs only say what is wanted.
    """

    def __init__(
        self,
        address: RelayAddress,
        *,
        helo: str,
        connections: int = 4,
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Nothing is opened yet. `helo` is our host name; without `tls` the system's CAs count."""
        if not _HELO.fullmatch(helo):
            raise ValueError("The name to greet a relay with must be a host name.")
        if tls is None and address.tls is not Tls.NEVER:
            tls = ssl.create_default_context()
        self._limits = limits or Limits()
        self._selector = selectors.DefaultSelector()
        self._turn = Turn([], [])
        self._route = Route(
            address, helo, self._limits, tls, Resolver(address), self._selector, self._turn
        )
        self._connections: list[Connection] = []
        self._aside: list[Connection] = []  # closed behind their last message
        self._heard_at = monotonic()
        self._uncleared: dict[int, Connection] = {}
        self._touched: set[Connection] = set()
        self._held_up: set[Connection] = set()  # by a withdrawn envelope that is under way
        self._roomy: list[Connection] | None = None
        self._check_at = 0.0
        self.limit_to(connections)

    @property
    def name(self) -> str:
        """The relay without its password."""
        return self._route.address.name

    @property
    def connections(self) -> int:
        """How many there may be at once."""
        return self._most

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Say goodbye on every connection and close it; what is under way gets no answer."""
        self.abandon()
        for connection in self._all:
            connection.close()
        self._selector.close()

    def abandon(self) -> None:
        """Close every connection with a message on it, and give no answer for any."""
        for connection in self._all:
            if connection.is_busy:
                connection.close()
        self._uncleared.clear()
        self._touched.clear()
        self._held_up.clear()
        self._turn.answers.clear()
        self._turn.ready.clear()
        self._roomy = None

    def limit_to(self, connections: int) -> None:
        """From now on use no more than these; others are closed behind their last message."""
        if connections < 0:
            raise ValueError("There cannot be less than no connections.")
        self._most = connections
        missing = connections - len(self._connections)
        self._connections += [Connection(self._route) for _ in range(missing)]
        self._roomy = None
        self._close_surplus()

    @property
    def is_late(self) -> bool:
        """Whether some answer is."""
        since = min((connection.waits_since for connection in self._all), default=math.inf)
        return since < monotonic() - self._limits.late

    @property
    def is_silent(self) -> bool:
        """Whether it has everything of a message on every connection, and says nothing to any."""
        if monotonic() < self._heard_at + self._limits.silence:
            return False
        usable = self._connections[: self._most]
        return bool(usable) and not self.room() and all(one.is_leaving for one in usable)

    def set_aside(self) -> None:
        """Use new connections from now on; those with a message are closed behind it."""
        self._aside += [one for one in self._connections if one.is_busy]
        self._connections = [one for one in self._connections if not one.is_busy]
        self.limit_to(self._most)

    def room(self) -> int:
        """How many messages may be offered: one for each connection without an envelope."""
        return len(self._with_room())

    def offer(self, message: Message) -> None:
        """Take a message: its envelope leaves as soon as it may.

        Raises ValueError where there is no room, and for a key that is offered already.
        """
        if message.key in self._uncleared:
            raise ValueError("A message with this key is offered already.")
        with_room = self._with_room()
        if not with_room:
            raise ValueError("There is no room for another message.")
        if len(with_room) == self._most:
            self._heard_at = monotonic()  # it had nothing to answer
        connection = with_room.pop()
        connection.offer(message)
        self._uncleared[message.key] = connection
        self._touched.add(connection)

    def clear(self, keys: Iterable[int]) -> None:
        """Let the bodies and final dots of these leave; ValueError for one that is not ready."""
        for key in keys:
            connection = self._carrier(key)
            connection.clear()
            del self._uncleared[key]
            self._touched.add(connection)
        self._roomy = None

    def withdraw(self, keys: Iterable[int]) -> None:
        """Let nothing more of these leave, and give no answer for them.

        Raises ValueError for a message that was cleared, has its answer, or was never offered.
        """
        for key in keys:
            connection = self._carrier(key)
            connection.withdraw(key)
            del self._uncleared[key]
            self._touched.add(connection)
            if not connection.has_room:
                self._held_up.add(connection)
        self._roomy = None

    def wait(self, timeout: float) -> Turn:
        """Talk to the relay; return what happened, after at most so many seconds if nothing did.

        Returns without news when a withdrawn message has made room. Looking up the relay's name
        may take longer.
        """
        self._listen(0)  # before anything is said: a relay that hung up gets no body
        self._speak()
        until = monotonic() + timeout
        self._check(monotonic())
        while not self._has_news() and (now := monotonic()) < until:
            self._listen(max(0, min(until, self._check_at) - now))
            self._check(monotonic())
        return self._take_turn()

    def hand_over(self, messages: Sequence[Message]) -> list[tuple[int, Answer]]:
        """Send one message on each connection; return when each has its answer, in their order.

        Takes at most as many messages as there is `room` for (ValueError otherwise, and when
        others wait for their answers) and, but for looking up the relay's name, at most twice
        `before_dot` and once `after_dot`, behind what the relay owes to one that was withdrawn.
        """
        if len(messages) > self.room():
            raise ValueError("There is no room for so many messages.")
        if any(connection.owes_answers for connection in self._all):
            raise ValueError("Other messages are under way.")
        for message in messages:
            self.offer(message)
        answers: dict[int, Answer] = {}
        while len(answers) < len(messages):
            turn = self.wait(math.inf)
            self.clear(turn.ready)
            answers |= {answered.key: answered.answer for answered in turn.answers}
        return [(message.key, answers[message.key]) for message in messages]

    @property
    def _all(self) -> list[Connection]:
        return [*self._connections, *self._aside]

    def _has_news(self) -> bool:
        return bool(
            self._turn.answers
            or self._turn.ready
            or any(connection.has_room for connection in self._held_up)
        )

    def _carrier(self, key: int) -> Connection:
        connection = self._uncleared.get(key)
        if connection is None:
            raise ValueError("No message with this key waits for a word.")
        return connection

    def _with_room(self) -> list[Connection]:
        """The best last: one that is idle, then one behind a message, then one to be opened."""
        if self._roomy is None:
            usable = self._connections[: self._most]
            with_room = [connection for connection in usable if connection.has_room]
            with_room.sort(key=lambda one: (not one.is_open, one.is_leaving), reverse=True)
            self._roomy = with_room
        return self._roomy

    def _listen(self, timeout: float) -> None:
        for key, _ in self._selector.select(timeout):
            key.data.step()

    def _speak(self) -> None:
        for connection in self._touched:
            connection.flush()
        self._touched.clear()

    def _check(self, now: float) -> None:
        """Look at the clocks of all connections, no more often than one of them can run out."""
        if now < self._check_at:
            return
        for connection in self._all:
            connection.check(now)
        soonest = min((connection.deadline for connection in self._all), default=math.inf)
        self._check_at = min(soonest, now + self._limits.shortest_wait)

    def _take_turn(self) -> Turn:
        turn = Turn(self._turn.answers.copy(), self._turn.ready.copy())
        if turn.answers or turn.ready:
            self._heard_at = monotonic()
        self._turn.answers.clear()
        self._turn.ready.clear()
        for answered in turn.answers:
            if not answered.was_cleared:
                del self._uncleared[answered.key]
        self._held_up = {connection for connection in self._held_up if not connection.has_room}
        self._roomy = None
        self._close_surplus()
        return turn

    def _close_surplus(self) -> None:
        for some, most in (self._connections, self._most), (self._aside, 0):
            for connection in some[most:]:
                if not connection.is_busy:
                    connection.close()
                    some.remove(connection)
