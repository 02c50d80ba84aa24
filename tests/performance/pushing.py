"""One run: a fresh database, a sink, processes that push; what it took, and that it is right."""

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from time import monotonic

from newsletter.database import transaction
from newsletter.delivery.fanout import start_sending
from newsletter.delivery.models import DeliveryState
from newsletter.delivery.progress import progress
from tests.performance.databases import Databases, Kind, application
from tests.performance.processes import cpu_seconds, peak_mb
from tests.performance.sample import KB, make_issue, make_readers
from tests.performance.sender import HELO, Order, Taken
from tests.performance.sink import Counts, Sink
from tests.running import ROOT

UNPACKED = ROOT / ".cache" / "postfix" / "usr"  # see the Makefile


class Way(StrEnum):
    """How messages are pushed; the names are those that the tables show."""

    ENGINE_POSTGRESQL = "engine, PostgreSQL"
    ENGINE_SQLITE = "engine, SQLite"
    DRIVER = "bare driver"
    SPLICING = "bare driver, splicing"
    SMTPLIB = "smtplib"
    SMTP_SOURCE = "smtp-source"


ENGINES = {Way.ENGINE_POSTGRESQL: Kind.POSTGRESQL, Way.ENGINE_SQLITE: Kind.SQLITE}
SENDERS = {Way.DRIVER: "driver", Way.SPLICING: "splicing_driver", Way.SMTPLIB: "by_smtplib"}


@dataclass(frozen=True)
class Run:
    """What is measured; `size` in KB (1000 bytes), `delay` of every reply in ms.

    Several senders share the connections.
    """

    way: Way
    size: int
    connections: int
    messages: int
    delay: int = 0
    senders: int = 1


@dataclass(frozen=True)
class Result:
    """What a run took: seconds of time and of CPU, and peak memory in MB."""

    run: Run
    seconds: float
    sender_cpu: float
    sink_cpu: float
    sender_peak: float
    sink_peak: float
    database_cpu: float | None = None
    database_peak: float | None = None

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.run.messages / self.seconds

    def per_message(self, cpu: float | None) -> float | None:
        """Microseconds of CPU a message."""
        return None if cpu is None else cpu / self.run.messages * 1e6


class WrongCounts(Exception):
    """A run did not bring every message exactly once: its figures mean nothing."""


def smtp_source() -> str | None:
    """Where Postfix's program is, if it is."""
    place = os.pathsep.join([os.environ["PATH"], "/usr/sbin", str(UNPACKED / "sbin")])
    return shutil.which("smtp-source", path=place)


def measure(run: Run, databases: Databases) -> Result:
    """Do a run; raises `WrongCounts`."""
    with ExitStack() as stack:
        sink = stack.enter_context(Sink(delay=run.delay))
        if run.way is Way.SMTP_SOURCE:
            return _by_smtp_source(run, sink)
        kind = ENGINES.get(run.way, Kind.SQLITE)
        url = stack.enter_context(databases.fresh(kind))
        issue_id = _prepare(run, url, databases.folder)
        order = Order(
            way=SENDERS.get(run.way, "engine"),
            folder=str(databases.folder),
            database_url=url,
            issue_id=issue_id,
            relay_port=sink.port,
            connections=run.connections // run.senders,
            messages=run.messages,
        )
        postmaster = databases.postmaster if run.way is Way.ENGINE_POSTGRESQL else None
        result = _push(run, order, sink, postmaster)
        _demand_right_counts(run, sink.counts())
        if run.way in ENGINES:
            _demand_right_ledger(run, order)
        return result


def _prepare(run: Run, url: str, folder: Path) -> int:
    with application(url, folder, senders_per_issue=run.senders):
        issue = make_issue(run.size * KB)
        if run.way in ENGINES:
            make_readers(run.messages, mixed=False)
            with transaction(snapshot=True):
                start_sending(issue.id, now=datetime.now(UTC))
        return issue.id


def _push(run: Run, order: Order, sink: Sink, postmaster: int | None) -> Result:
    with ExitStack() as stack:
        children = [stack.enter_context(_sender(order)) for _ in range(run.senders)]
        before = cpu_seconds(postmaster) if postmaster else 0.0
        taken = list(_go(children))
        return Result(
            run,
            seconds=max(one.seconds for one in taken),
            sender_cpu=sum(one.cpu_seconds for one in taken),
            sender_peak=max(peak_mb(child.pid) for child in children),
            sink_cpu=sink.counts().cpu_seconds,
            sink_peak=peak_mb(sink.pid),
            database_cpu=cpu_seconds(postmaster) - before if postmaster else None,
            database_peak=peak_mb(postmaster) if postmaster else None,
        )


@contextmanager
def _sender(order: Order) -> Iterator[subprocess.Popen[str]]:
    """A sender that is ready."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.performance.sender", order.dump()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    with child:
        try:
            _hear(child)
            yield child
        except BaseException:
            child.kill()  # else it would go on to the end of its work
            raise


def _go(children: list[subprocess.Popen[str]]) -> Iterator[Taken]:
    for child in children:
        assert child.stdin
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        yield Taken(**json.loads(_hear(child)))


def _hear(child: subprocess.Popen[str]) -> str:
    assert child.stdout
    said = child.stdout.readline()
    if not said:
        raise RuntimeError("a sender failed; what it said stands above")
    return said


def _by_smtp_source(run: Run, sink: Sink) -> Result:
    program = smtp_source()
    assert program, "smtp-source is not installed"
    command = [
        *(program, "-d", "-m", str(run.messages), "-s", str(run.connections)),
        *("-l", str(run.size * KB), "-M", HELO),
        *("-f", "bench@sender.example", "-t", "reader@mail.example"),
        f"127.0.0.1:{sink.port}",
    ]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = monotonic()
    subprocess.run(
        command,
        env={**os.environ, "LD_LIBRARY_PATH": str(UNPACKED / "lib" / "postfix")},
        check=True,
    )
    seconds = monotonic() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    counts = sink.counts()
    if counts.messages != run.messages:
        raise WrongCounts(f"{run}: {counts}")
    return Result(
        run,
        seconds=seconds,
        sender_cpu=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        sender_peak=0.0,
        sink_cpu=counts.cpu_seconds,
        sink_peak=peak_mb(sink.pid),
    )


def _demand_right_counts(run: Run, counts: Counts) -> None:
    expected = (run.messages, run.messages, 0, 0)
    if (counts.messages, counts.distinct, counts.duplicates, counts.without_key) != expected:
        raise WrongCounts(f"{run}: {counts}")


def _demand_right_ledger(run: Run, order: Order) -> None:
    with application(order.database_url, Path(order.folder)):
        counts = progress(order.issue_id).counts
    if counts[DeliveryState.SENT] != run.messages or sum(counts.values()) != run.messages:
        raise WrongCounts(f"{run}: {counts}")
