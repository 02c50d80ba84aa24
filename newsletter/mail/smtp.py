"""Hand messages to a relay over connections that stay open, many at once in one process.

Every message handed over gets exactly one answer, whatever the relay does. "Not now" means that
not one octet of the final dot was given to the kernel (over TLS: to the encryption); after that
a line that breaks or stays silent leaves the message in doubt.
"""

import re
import selectors
import ssl
from collections.abc import Sequence
from time import monotonic
from types import TracebackType
from typing import Self

from newsletter.mail.smtp_address import RelayAddress, Tls
from newsletter.mail.smtp_answers import Answer, Answered, Message, Outcome, Stage
from newsletter.mail.smtp_connection import Connection, Limits

__all__ = ["Answer", "Answered", "Limits", "Message", "Outcome", "Relay", "RelayAddress", "Stage"]

_HELO = re.compile(r"[A-Za-z0-9.:\[\]-]+")


class Relay:
    """Up to `connections` connections to one relay; to be made after any fork."""

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
        self._selector = selectors.DefaultSelector()
        self._connections = [
            Connection(address, helo, limits or Limits(), tls, self._selector)
            for _ in range(connections)
        ]

    @property
    def connections(self) -> int:
        """How many messages go at once."""
        return len(self._connections)

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
        """Say goodbye on every connection and close it."""
        for connection in self._connections:
            connection.close()
        self._selector.close()

    def hand_over(self, messages: Sequence[Message]) -> list[Answered]:
        """Send one message on each connection; return when each has its answer, in their order.

        Takes at most as many messages as there are connections (ValueError otherwise) and, but
        for looking up the relay's name, at most `before_dot` and `after_dot` together.
        """
        if len(messages) > len(self._connections):
            raise ValueError("More messages than connections.")
        chosen = self._connections[: len(messages)]
        for connection, message in zip(chosen, messages, strict=True):
            connection.carry(message)
        self._wait_for(chosen)
        return [connection.answered for connection in chosen if connection.answered]

    def _wait_for(self, chosen: list[Connection]) -> None:
        waiting = chosen
        while waiting := [connection for connection in waiting if not connection.answered]:
            pause = min(connection.deadline for connection in waiting) - monotonic()
            for key, _ in self._selector.select(max(0.0, pause)):
                key.data.step()
            now = monotonic()
            for connection in waiting:
                connection.give_up_at(now)
