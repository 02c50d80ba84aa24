"""A service prepared with readers and issues, and the account of where everybody is."""

import json
import os
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import combinations, count, cycle, product
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from newsletter import create_app
from newsletter.database import db, transaction
from newsletter.issues.editing import import_issue
from newsletter.operation import prepare_database
from newsletter.settings import load_settings
from tests.chaos.parts import Clock, Part, SinkProcess, Worker
from tests.issue_files import TUESDAY, issue_file
from tests.running import environment, newsletter, wait_until

ROUNDS = int(os.environ.get("CHAOS", "1"))  # how many times as much of everything
READERS = 600 * ROUNDS
ISSUES = 12 if ROUNDS == 1 else 40
RECOVERY = 90.0  # seconds until it goes on: a minute, and half of one for a busy machine
END = 240.0 * ROUNDS  # seconds until everything is settled

SECTIONS = ("isis-in-action", "western-response", "anti-isis-coalition", "other-jihadi-actors")
CONNECTIONS = 4  # of each sending process
SECRET_KEY = "the key of the services that are killed is long enough"


@dataclass
class Chance:
    """Random moments that can be had again: `CHAOS_SEED=… pytest …`."""

    seed: int

    def __post_init__(self) -> None:
        print(f"CHAOS_SEED={self.seed}")  # noqa: T201  # shown when a test fails
        self._random = random.Random(self.seed)
        self.choice = self._random.choice
        self.randrange = self._random.randrange
        self.sample = self._random.sample


@dataclass
class World:
    """Where things run; issues are sent one after the other."""

    folder: Path
    settings: dict[str, str]
    sink: SinkProcess
    instance: Path
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def prepare(self) -> None:
        """An empty service gets its readers, and drafts to be sent."""
        settings = load_settings(
            _env_file=None,
            instance_path=self.instance,
            **{name.lower(): value for name, value in self.settings.items()},
        )
        self._url = settings.database_url
        with create_app(settings).app_context():
            prepare_database()
            for number, language in product(range(1, ISSUES + 1), ("en", "ar")):
                articles = {slug: f"This week in {slug}." for slug in SECTIONS}
                day = TUESDAY + timedelta(weeks=number)
                file = issue_file(
                    articles, number=number, day=day, language=language, subject=subject(number)
                )
                with transaction():
                    import_issue(file, now=datetime.now(UTC))
            db.session.remove()
            db.engine.dispose()
        csv = self.folder / "readers.csv"
        csv.write_text("address,language,sections,consented_at,source\n" + "".join(_readers()))
        self.command("subscriber", "import", str(csv))

    def command(self, *arguments: str) -> str:
        """What a command says; it must succeed."""
        done = newsletter(self.instance, *arguments, **self.settings)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def send(self) -> int:
        """Start to send the next issue; its number."""
        number = next(self._numbers)
        self.command("issue", "send", str(number))
        return number

    def rows(self, query: str, **values: object) -> Sequence[Any]:
        """Ask the database, from outside."""
        engine = sa.create_engine(self._url, poolclass=sa.NullPool)
        try:
            with engine.connect() as connection:
                return connection.execute(sa.text(query), values).all()
        finally:
            engine.dispose()

    def state(self, number: int) -> str:
        """The state of an issue."""
        return str(self.rows("SELECT state FROM issue WHERE number = :number", number=number)[0][0])

    def counts(self, number: int) -> dict[str, int]:
        """How many deliveries of an issue are in which state."""
        return dict(self.rows(STATES, number=number))

    def taken(self, number: int) -> list[tuple[str, str]]:
        """What reached the sink of an issue."""
        return self.sink.taken(subject(number))

    def wait_until_taken(self, number: int, most: int) -> None:
        """Until so many have reached the sink, or there is nothing more to come."""
        wait_until(
            lambda: len(self.taken(number)) >= most or self.state(number) == "sent",
            f"the sink has {most}",
            END,
        )

    def wait_for_recovery(self, number: int) -> None:
        """Until sending has gone on, or is done."""
        before = len(self.taken(number))
        wait_until(
            lambda: len(self.taken(number)) > before or self.state(number) == "sent",
            "sending goes on",
            RECOVERY,
        )

    def wait_for_end(self, number: int) -> None:
        """Until everybody is accounted for, without anybody's help."""
        wait_until(
            lambda: self.state(number) == "sent",
            f"issue {number} is sent",
            END,
        )


@dataclass
class Servers(World):
    """Three hosts with a worker each, and two clocks, over one database and one Redis."""

    def __post_init__(self) -> None:
        self.workers = [Worker(f"host{n}", self.folder, self._environment(n)) for n in (1, 2, 3)]
        self.clocks = [Clock(f"clock{n}", self.folder, self._environment(n)) for n in (1, 2)]

    @property
    def parts(self) -> list[Part]:
        """Everything that sends and ticks."""
        return [*self.workers, *self.clocks]

    def fill(self) -> None:
        """Start what does not run."""
        for part in self.parts:
            part.start()
        for worker in self.workers:
            worker.wait_until_ready()

    def end(self) -> None:
        """Kill all of it."""
        for part in self.parts:
            part.end()

    def _environment(self, number: int) -> dict[str, str]:
        instance = self.folder / f"instance{number}"
        instance.mkdir(exist_ok=True)
        return environment(instance, **self.settings)


STATES = """
    SELECT delivery.state, count(*) FROM delivery JOIN issue ON issue.id = delivery.issue_id
    WHERE issue.number = :number GROUP BY delivery.state
"""
DELIVERIES = """
    SELECT subscriber.address, delivery.state, delivery.answer
    FROM delivery JOIN subscriber ON subscriber.id = delivery.subscriber_id
    JOIN issue ON issue.id = delivery.issue_id WHERE issue.number = :number
"""
TALLIES = """
    SELECT sum(queued), sum(sending), sum(sent), sum(failed), sum(skipped), sum(in_doubt)
    FROM tally JOIN issue ON issue.id = tally.issue_id WHERE issue.number = :number
"""
HELD = """
    SELECT batch.id FROM batch JOIN issue ON issue.id = batch.issue_id
    WHERE issue.number = :number AND (finished_at IS NULL OR lease_until IS NOT NULL)
"""


def account(
    world: World,
    number: int,
    *,
    doubts_at_most: int,
    failing: Iterable[str] = (),
    resends: bool = False,
) -> Counter[str]:
    """Hold all facts about a sent issue against each other; how many deliveries are how.

    `failing` are the beginnings of the addresses that the relay refuses for good. An operator who
    `resends` has nobody in doubt, but may have sent to so many again.
    """
    deliveries = world.rows(DELIVERIES, number=number)
    by_state: dict[str, set[str]] = {name: set() for name in _STATES}
    for row in deliveries:
        by_state[row.state].add(row.address)
    counts = Counter({state: len(readers) for state, readers in by_state.items()})
    print(f"issue {number}: {dict(counts)}, in doubt at most {doubts_at_most}")  # noqa: T201  # shown when a test fails

    _arrived_once(world.taken(number), by_state, again_at_most=doubts_at_most if resends else 0)
    assert {row.address for row in deliveries} == set(addresses()), "somebody was forgotten"
    assert len(deliveries) == READERS
    assert counts["queued"] == counts["sending"] == counts["skipped"] == 0, counts
    assert by_state["failed"] == {to for to in addresses() if to.startswith(tuple(failing))}
    assert all(row.answer for row in deliveries if row.state != "sent"), "nobody says why"
    assert counts["in_doubt"] <= (0 if resends else doubts_at_most), counts
    assert _listed_as_doubtful(world, number, counts["in_doubt"]) == by_state["in_doubt"]
    tallies = [int(tally) for tally in world.rows(TALLIES, number=number)[0]]
    assert dict(zip(_STATES, tallies, strict=True)) == counts
    assert world.rows(HELD, number=number) == []
    return counts


def _arrived_once(
    taken: Sequence[tuple[str, str]], by_state: dict[str, set[str]], *, again_at_most: int
) -> None:
    """Hold what reached the sink against what the ledger says."""
    arrived = {recipient for _, recipient in taken}
    assert len(taken) - len(arrived) <= again_at_most, "somebody got two"
    assert len(set(taken)) == len(arrived), "sent again with another Message-ID"
    assert len({message_id for message_id, _ in taken}) == len(arrived), "one Message-ID for two"
    assert by_state["sent"] <= arrived, "called sent, but never arrived"
    assert arrived <= by_state["sent"] | by_state["in_doubt"], "arrived, and nobody knows"


def _listed_as_doubtful(world: World, number: int, doubts: int) -> set[str]:
    if not doubts:
        return set()
    listed = json.loads(world.command("issue", "doubts", str(number), "--json"))
    return {doubt["address"] for doubt in listed}


def connections_of(pids: Iterable[int], port: int) -> int:
    """How many connections to the sink these processes have open, by the kernel's own account."""
    inodes: set[str] = set()
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
            with suppress(OSError):  # it was closed meanwhile
                inodes.update(re.findall(r"socket:\[(\d+)\]", str(descriptor.readlink())))
    table = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    there = f":{port:04X}"
    return sum(row[2].endswith(there) and row[9] in inodes for row in table)


def subject(number: int) -> str:
    """The subject of an issue's mails."""
    return f"Issue {number}"


def addresses() -> list[str]:
    """All readers; every fiftieth has a name of its own kind."""
    return [f"{'gone' if n % 50 == 0 else 'reader'}{n}@reader.example" for n in range(READERS)]


def _readers() -> Iterator[str]:
    """A list in which every choice and language is taken, so that there are many batches."""
    choices = [one for size in range(1, 5) for one in combinations(SECTIONS, size)]
    wishes = cycle(product(choices, ("en", "ar")))
    for address, (choice, language) in zip(addresses(), wishes, strict=False):
        yield f"{address},{language},{' '.join(choice)},2026-01-02,paper list\n"


_STATES = ("queued", "sending", "sent", "failed", "skipped", "in_doubt")
