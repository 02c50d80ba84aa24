"""The relays as one process uses them: connections kept open, and what it has seen of each.

Which of them may be used, all processes know together (`relays`); how many connections one of
them may open grows from one, in each process by itself (`strikes`).
"""

from collections.abc import Sequence
from datetime import datetime

from newsletter.delivery import relays
from newsletter.delivery.misgivings import Misgivings
from newsletter.delivery.pace import Pace, pace_of
from newsletter.delivery.relays import Leave
from newsletter.delivery.retry import in_words
from newsletter.delivery.strikes import Strikes
from newsletter.mail.smtp import Answer, Relay, RelayAddress
from newsletter.settings import Settings

SILENT = "The server answers nothing that it was given."


class Line:
    """One relay in the hands of this process; `under_way` counts what it was offered."""

    def __init__(self, relay: Relay, pace: Pace) -> None:
        self.relay = relay
        self.name = relay.name
        self.under_way = 0
        self._most = relay.connections
        self._pace = pace
        self._strikes = Strikes(self._most)
        self._leave = Leave.NONE
        self._shared = 0
        self._complaint: str | None = None

    @property
    def is_usable(self) -> bool:
        """Whether messages may be offered."""
        return self._leave is not Leave.NONE and self._shared > 0

    @property
    def has_news(self) -> bool:
        """Whether there is something to `tell`."""
        has_recovered = self._leave is Leave.PROBE and self._strikes.is_working
        return self._complaint is not None or has_recovered

    def take(self, leave: Leave) -> None:
        """Begin to use it, or go on; `renew` comes next."""
        if leave is not Leave.FULL and leave is not self._leave:
            self._strikes.start_over()
        self._leave = leave
        self._limit()

    def pass_over(self) -> None:
        """It rests, as another process may have found out: it is met with one connection again."""
        self._strikes.start_over()
        self._leave = Leave.NONE

    def renew(self, holder: str) -> None:
        """Keep its share of the connections that all processes may have; every few seconds.

        Asks Redis if it must, so not within a transaction.
        """
        if self._leave is not Leave.NONE:
            self._shared = self._pace.connections(self.name, holder, self._most)
            self._limit()

    def hear(self, answer: Answer) -> None:
        """Take the answer to one message in: the relay may rest from now on, or be well again."""
        if self._leave is Leave.NONE:
            return
        before = self._strikes.allowed
        is_probe = self._leave is Leave.PROBE
        if self._strikes.take(answer, under_way=self.under_way, is_probe=is_probe):
            self._complaint = in_words(answer)
            self._leave = Leave.NONE
        if self._strikes.allowed != before:
            self._limit()

    def mind_silence(self) -> None:
        """Let a relay rest that takes nothing more and answers nothing; it is still heard out."""
        if self._leave is not Leave.NONE and self.relay.is_silent:
            self._complaint = SILENT
            self._leave = Leave.NONE
            self._strikes.start_over()
            self.relay.set_aside()
            self._limit()

    def tell(self, now: datetime) -> None:
        """Write down what all processes are to know, in the caller's transaction."""
        if self._complaint is not None:
            relays.trip(self.name, self._complaint, now)
        elif self.has_news:
            relays.recovered(self.name, now)

    def told(self) -> None:
        """What was to be told is committed."""
        if self._complaint is not None:
            self._complaint = None
        elif self.has_news:
            self._leave = Leave.FULL

    def leave(self, holder: str) -> None:
        """Use it no more for now; what others may use is closed. Not within a transaction."""
        self._leave = Leave.NONE
        if self._pace.shares_connections(self.name):
            self.relay.limit_to(0)
            self._pace.release(self.name, holder)

    def leave_probe(self, holder: str) -> None:
        """If it was held for a probe, let others try, in the caller's transaction."""
        if self._leave is Leave.PROBE:
            relays.leave_probe(self.name, holder)

    def abandon(self) -> None:
        """Close every connection with a message on it, and forget about the message."""
        self.relay.abandon()
        self.under_way = 0
        self._complaint = None
        self._leave = Leave.NONE

    def _limit(self) -> None:
        most = min(self._strikes.allowed, self._shared)
        if most != self.relay.connections:
            self.relay.limit_to(most)


class Fleet:
    """The relays of one process, in order of preference; to be made after any fork."""

    def __init__(self, relays_in_order: Sequence[Relay], pace: Pace) -> None:
        self.pace = pace
        self._lines = {relay.name: Line(relay, pace) for relay in relays_in_order}
        self._misgivings: dict[int, Misgivings] = {}

    def misgivings_about(self, issue_number: int) -> Misgivings:
        """What this process has heard about an issue, kept from task to task."""
        return self._misgivings.setdefault(issue_number, Misgivings(issue_number))

    def choose(self, holder: str, now: datetime) -> Line | None:
        """The best relay that may be used, in the caller's transaction; None if none may.

        Ask again now and then: a better one that came back is then taken.
        """
        name, leave = relays.choose(list(self._lines), holder, now) or (None, Leave.NONE)
        for line in self._lines.values():
            if line.name == name:
                line.take(leave)
                return line
            line.pass_over()
        return None

    def close(self) -> None:
        """Say goodbye on all connections."""
        for line in self._lines.values():
            line.relay.close()


def fleet_of(settings: Settings, helo: str) -> Fleet:
    """The relays that the operator set; nothing is opened yet. `helo` is our host name."""
    relays_in_order = [
        Relay(RelayAddress.parse(url), helo=helo, connections=settings.smtp_connections)
        for url in settings.relay_urls
    ]
    return Fleet(relays_in_order, pace_of(settings))
