"""`make bench`: how fast an issue goes and site and desk answer, what that costs and compares to.

Tables on standard output, progress on standard error. Nothing about time is asserted; but a run
that does not bring every message exactly once ends it.
"""

import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import median_low
from typing import Any, NoReturn

import click

from tests.performance.databases import Databases, Kind
from tests.performance.desk import measure_desk
from tests.performance.processes import machine
from tests.performance.pushing import (
    Result,
    Run,
    Way,
    WrongCounts,
    measure,
    smtp_source,
)
from tests.performance.report import Results, has_goals, report
from tests.performance.sink import NoCompiler, build
from tests.performance.starting import editions, fan_out, send_by_worker
from tests.performance.web import Archive, measure_web

PARTS = ("engine", "delay", "fanout", "first", "editions", "memory", "web", "desk")
ENGINES = (Way.ENGINE_POSTGRESQL, Way.ENGINE_SQLITE)
DRIVERS = (Way.DRIVER, Way.SPLICING)
SIZES, CONNECTIONS, DELAYS = (10, 40), (1, 10, 50), (5, 20, 50)
DESK_SECONDS = 5.0  # for each page, alone and together
PER_CONNECTION = 100  # messages of a run with delays; smtplib needs four round trips for each
ROUNDS = 3  # of what is held against a goal
MILLION = 1_000_000


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(PARTS))
@click.option("--readers", default=50_000, help="of an issue that is sent without delays")
@click.option("--many", default=MILLION, help="readers that fan-out writes a delivery for")
@click.option("--full", is_flag=True, help="all there is, the median of three, for over an hour")
@click.option("--out", type=click.Path(path_type=Path), help="a file for the tables, too")
def main(parts: tuple[str, ...], out: Path | None, **how: Any) -> None:
    """Measure PARTS, or everything."""
    signal.signal(signal.SIGTERM, _end)
    try:
        build()
        with (
            tempfile.TemporaryDirectory(prefix="bench-") as folder,
            Databases(Path(folder)) as databases,
        ):
            text = _measure(Bench(databases, **how), parts)
    except (NoCompiler, WrongCounts) as error:
        raise click.ClickException(str(error)) from None
    click.echo(text)
    if out:
        out.write_text(text)


class Bench:
    """What is measured in which order; each part adds to `results`."""

    def __init__(self, databases: Databases, *, readers: int, many: int, full: bool) -> None:
        self.databases = databases
        self.results = Results()
        self._readers = readers
        self._many = many
        self._is_full = full

    def engine(self) -> None:
        """The engine with its ledger, the bare driver, smtplib and smtp-source."""
        for size, connections in product(SIZES, CONNECTIONS):
            fewer = self._readers if self._is_full or connections > 1 else self._readers // 5
            runs = [Run(way, size, connections, fewer) for way in ENGINES]
            if has_goals(runs[0]):  # as a worker is installed: two processes on one issue
                runs += [replace(run, senders=2) for run in runs]
            runs += [Run(way, size, connections, self._readers) for way in DRIVERS]
            if connections == 1:
                runs.append(Run(Way.SMTPLIB, size, 1, self._readers // 5))
            if smtp_source():
                runs.append(Run(Way.SMTP_SOURCE, size, connections, self._readers))
            self._push(*runs)

    def delay(self) -> None:
        """The same against a relay that is some way off."""
        for delay, connections in product(DELAYS, CONNECTIONS if self._is_full else (50,)):
            messages = PER_CONNECTION * connections
            runs = [
                Run(way, 10, connections, 4 * messages, delay) for way in (*ENGINES, Way.DRIVER)
            ]
            runs.append(Run(Way.SMTPLIB, 10, connections, messages // 2, delay))
            if smtp_source():
                runs.append(Run(Way.SMTP_SOURCE, 10, connections, messages, delay))
            self._push(*runs)

    def fanout(self) -> None:
        """The transaction that starts the sending."""
        for kind in Kind:
            _say(f"fan-out to {self._many:,} readers, {kind}")
            self.results.fan_outs[kind, self._many] = fan_out(kind, self._many, self.databases)

    def first(self) -> None:
        """From Send to the first message, with a real worker."""
        for kind in Kind:
            self._send(kind, self._readers)

    def memory(self) -> None:
        """A worker's memory, from few deliveries to many."""
        for readers in (10_000, MILLION if self._is_full else 300_000):
            self._send(Kind.POSTGRESQL, readers)

    def editions(self) -> None:
        """Rendering."""
        _say("editions")
        self.results.editions = editions(self.databases)

    def web(self) -> None:
        """Pages and signups, with the production server."""
        for kind in Kind:
            self.results.web.append(measure_web(kind, Archive(), self.databases, _say))

    def desk(self) -> None:
        """The pages that editors wait for, with a big issue on its way."""
        self.results.desk = measure_desk(self.databases, self._many, DESK_SECONDS, _say)

    def _send(self, kind: Kind, readers: int) -> None:
        _say(f"a worker sends to {readers:,} readers, {kind}")
        self.results.sent[kind, readers] = send_by_worker(kind, readers, self.databases)

    def _push(self, *runs: Run) -> None:
        """Do runs that are to be compared, in turn: the machine's moods meet all of them alike."""
        rounds = ROUNDS if self._is_full or any(map(has_goals, runs)) else 1
        done = [[self._measured(run) for run in runs] for _ in range(rounds)]
        for results in zip(*done, strict=True):
            middle = median_low(result.seconds for result in results)
            self.results.pushed.append(next(r for r in results if r.seconds == middle))

    def _measured(self, run: Run) -> Result:
        delay = f", {run.delay} ms" if run.delay else ""
        _say(f"{run.way}: {run.size} KB, {run.connections} connections{delay}")
        result = measure(run, self.databases)
        _say(f"    {result.rate:,.0f} a second")
        return result


def _measure(bench: Bench, parts: tuple[str, ...]) -> str:
    for part in parts or PARTS:
        getattr(bench, part)()
    folder = bench.databases.folder
    return report(bench.results, [*machine(folder), *bench.databases.settings(), *_tools()])


def _tools() -> Iterator[tuple[str, str]]:
    yield "smtp-source", "installed" if smtp_source() else "not installed: left out"


def _end(*_: object) -> NoReturn:
    raise SystemExit("ended; nothing is left behind")


def _say(what: str) -> None:
    sys.stderr.write(what + "\n")


if __name__ == "__main__":
    main()
