"""A process that pushes messages to a relay in one of several ways, and says what that took.

It prepares, says "ready", waits for a line on its standard input, works, prints the seconds as
JSON, and stays until that input ends, so that its memory can be looked at.
"""

import gc
import json
import smtplib
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from threading import Thread
from time import monotonic, process_time
from typing import Self

from sqlalchemy import select

from newsletter.database import db, end_read, transaction
from newsletter.delivery import sending, sweep
from newsletter.delivery.fleet import Fleet
from newsletter.delivery.ledger import Waiting
from newsletter.delivery.pace import pace_of
from newsletter.delivery.splice import Splicer
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Issue
from newsletter.mail.smtp import Message, Outcome, Relay, RelayAddress
from newsletter.pages import links, settings
from tests.performance.databases import application
from tests.performance.sample import DOMAINS, template_of

HELO = "bench.example"
SILENCE = 60.0  # seconds until a run is given up


@dataclass(frozen=True)
class Order:
    """What to push, how, and where to."""

    way: str  # one of WAYS
    folder: str
    database_url: str
    issue_id: int
    relay_port: int
    connections: int
    messages: int

    def dump(self) -> str:
        """As an argument of the process."""
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> Self:
        """Bring back what `dump` made."""
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Taken:
    """What pushing took, in seconds."""

    seconds: float
    cpu_seconds: float


Work = Callable[[], None]


@contextmanager
def engine(order: Order) -> Iterator[Work]:
    """The real thing: the ledger's deliveries, task after task, until the issue is sent."""
    with _relay(order) as relay:
        yield partial(_send_all, order.issue_id, Fleet([relay], pace_of(settings())))


@contextmanager
def driver(order: Order) -> Iterator[Work]:
    """Our driver alone: the same bytes, every message made beforehand, nothing written down."""
    messages = list(_messages(order))
    gc.freeze()  # so many objects that live on are no fault of the driver
    with _relay(order) as relay:
        yield partial(_push, relay, messages)


@contextmanager
def splicing_driver(order: Order) -> Iterator[Work]:
    """Our driver, each message spliced when its turn comes."""
    with _relay(order) as relay:
        yield partial(_push, relay, _messages(order))


@contextmanager
def by_smtplib(order: Order) -> Iterator[Work]:
    """What one would write by hand: a thread for each connection, one message after the other."""
    messages = list(_messages(order))
    gc.freeze()
    share = -(-len(messages) // order.connections)
    threads = [
        Thread(target=_push_by_smtplib, args=(order.relay_port, messages[first : first + share]))
        for first in range(0, len(messages), share)
    ]

    def work() -> None:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    yield work


WAYS = {way.__name__: way for way in (engine, driver, splicing_driver, by_smtplib)}


def _send_all(issue_id: int, fleet: Fleet) -> None:
    while not _is_sent(issue_id):
        sending.send_issue(issue_id, fleet, clock=_now)
        with transaction():
            sweep.close_issues(now=_now())


def _is_sent(issue_id: int) -> bool:
    with transaction():
        state = db.session.scalar(select(Issue.state).where(Issue.id == issue_id))
    return state is IssueState.SENT


def _push(relay: Relay, messages: Iterable[Message]) -> None:
    waiting = iter(messages)
    under_way = 0
    while True:
        for message in islice(waiting, relay.room()):
            relay.offer(message)
            under_way += 1
        if not under_way:
            return
        turn = relay.wait(SILENCE)
        relay.clear(turn.ready)
        _demand_accepted([answered.answer.outcome for answered in turn.answers])
        under_way -= len(turn.answers)


def _demand_accepted(outcomes: Iterable[Outcome]) -> None:
    if any(outcome is not Outcome.ACCEPTED for outcome in outcomes):
        raise RuntimeError("the sink refused a message")


def _push_by_smtplib(port: int, messages: list[Message]) -> None:
    with smtplib.SMTP("127.0.0.1", port, local_hostname=HELO) as server:
        for message in messages:
            server.sendmail(message.sender, message.recipient, b"".join(message.parts))


def _messages(order: Order) -> Iterator[Message]:
    """The messages of the issue, for readers that no database knows."""
    issue = db.session.get_one(Issue, order.issue_id)
    template = template_of(issue)
    end_read()
    splicer = Splicer(issue.id, issue.message_key, settings(), links())
    now = _now()
    for n in range(1, order.messages + 1):
        reader = f"reader-{n}@mail-{n % DOMAINS}.example"
        yield splicer.message(template, Waiting(n, n, reader, 0, None), now)


def _relay(order: Order) -> Relay:
    address = RelayAddress.parse(f"smtp://127.0.0.1:{order.relay_port}")
    return Relay(address, helo=HELO, connections=order.connections)


def _now() -> datetime:
    return datetime.now(UTC)


def main(order: Order) -> None:
    """Prepare, wait for the word, work, tell."""
    with (
        application(order.database_url, Path(order.folder)),
        WAYS[order.way](order) as work,
    ):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        cpu, begun = process_time(), monotonic()
        work()
        taken = Taken(monotonic() - begun, process_time() - cpu)
        sys.stdout.write(json.dumps(asdict(taken)) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(Order.load(sys.argv[1]))
