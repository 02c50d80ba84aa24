"""All results on one page of Markdown."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby

from tests.performance.databases import Kind
from tests.performance.desk import DeskResults, desk_table
from tests.performance.pushing import ENGINES, Result, Run, Way
from tests.performance.starting import Sent
from tests.performance.tables import NONE, figure, table
from tests.performance.web import WebResults
from tests.performance.web_report import web_tables

USUAL = 50_000  # readers of an issue whose first message should leave within 2 s
FLAT = 0.05  # a worker's memory may differ by so much


@dataclass
class Results:
    """All that was measured."""

    pushed: list[Result] = field(default_factory=list)
    fan_outs: dict[tuple[Kind, int], float] = field(default_factory=dict)  # seconds
    sent: dict[tuple[Kind, int], Sent] = field(default_factory=dict)
    editions: float | None = None  # a second
    web: list[WebResults] = field(default_factory=list)
    desk: DeskResults | None = None

    def find(self, way: Way, like: Run) -> Result | None:
        """How another way did in the same circumstances, with one sender."""
        return next(
            (
                result
                for result in self.pushed
                if result.run.way is way
                and _circumstances(result.run) == _circumstances(like)
                and result.run.senders == 1
            ),
            None,
        )


def has_goals(run: Run) -> bool:
    """Whether a run is among those that are held against goals."""
    return run.size == 10 and run.connections == 50 and run.delay in (0, 20)


def report(results: Results, facts: Iterable[tuple[str, str]]) -> str:
    """Everything, as Markdown."""
    parts = ["## Machine\n\n" + table(("what", "which"), [list(fact) for fact in facts])]
    for delay, some in groupby(results.pushed, key=lambda result: result.run.delay):
        title = f"Every reply {delay} ms later" if delay else "Pushing messages"
        parts.append(f"## {title}\n\n" + _pushed(list(some), results))
    if others := list(_others(results)):
        parts.append("## Starting, rendering, memory\n\n" + table(("what", "measured"), others))
    parts += web_tables(results.web)
    if results.desk:
        parts.append(desk_table(results.desk))
    if goals := list(_goals(results)):
        parts.append("## Goals\n\n" + table(("what", "goal", "measured", ""), goals))
    return "\n\n".join(parts) + "\n"


def _pushed(pushed: list[Result], results: Results) -> str:
    head = (
        *("way", "KB", "connections", "messages/s", "of the driver", "× smtplib"),
        *("sender µs", "PostgreSQL µs", "sink µs", "sender MB", "PostgreSQL MB", "sink MB"),
    )
    rows = [
        [
            _name(result.run),
            str(result.run.size),
            str(result.run.connections),
            f"{result.rate:.0f}",
            _share(result, results.find(Way.DRIVER, result.run)),
            _times(result, _best_of_smtplib(result, results)),
            figure(result.per_message(result.sender_cpu)),
            figure(result.per_message(result.database_cpu)),
            figure(result.per_message(result.sink_cpu)),
            figure(result.sender_peak),
            figure(result.database_peak),
            figure(result.sink_peak),
        ]
        for result in pushed
    ]
    return table(head, rows)


def _others(results: Results) -> Iterable[list[str]]:
    for (kind, readers), seconds in results.fan_outs.items():
        yield [f"fan-out to {readers:,} readers, {kind}", f"{seconds:.1f} s"]
    for (kind, readers), sent in results.sent.items():
        what = f"a worker, {readers:,} readers, {kind}"
        yield [f"{what}: Send to first message", f"{sent.first_after:.2f} s"]
        yield [f"{what}: Send to last message", f"{sent.seconds:.1f} s, {sent.rate:.0f} a second"]
        yield [f"{what}: its peak memory", f"{sent.worker_peak:.0f} MB"]
    if results.editions:
        yield ["editions rendered and encoded", f"{results.editions:.0f} a second"]


def _goals(results: Results) -> Iterable[list[str]]:
    """What this product set itself to reach, as far as it was measured."""
    for result in results.pushed:
        if result.run.way in ENGINES and has_goals(result.run):
            yield from (_goals_of_delay if result.run.delay else _goals_of_speed)(result, results)
    for (kind, readers), seconds in results.fan_outs.items():
        yield _goal(f"fan-out to {readers:,}, {kind}", "≤ 30 s", f"{seconds:.1f} s", seconds <= 30)
    for (kind, readers), sent in results.sent.items():
        first, peak = sent.first_after, sent.worker_peak
        what = f"{readers:,} readers, {kind}"
        if readers <= USUAL:
            yield _goal(f"first message, {what}", "≤ 2 s", f"{first:.2f} s", first <= 2)
        yield _goal(f"a worker's memory, {what}", "≤ 150 MB", f"{peak:.0f} MB", peak <= 150)
    if len({readers for _kind, readers in results.sent}) > 1:
        few, many = min(results.sent, key=_readers), max(results.sent, key=_readers)
        growth = results.sent[many].worker_peak / results.sent[few].worker_peak - 1
        what = f"a worker's memory, from {few[1]:,} to {many[1]:,} readers"
        yield _goal(what, "flat", f"{growth:+.0%}", abs(growth) <= FLAT)


def _name(run: Run) -> str:
    return run.way.value + (f", {run.senders} senders" if run.senders > 1 else "")


def _readers(measured: tuple[Kind, int]) -> int:
    return measured[1]


def _goals_of_speed(result: Result, results: Results) -> Iterable[list[str]]:
    way, name = result.run.way, _name(result.run)
    if bare := results.find(Way.DRIVER, result.run):
        least = 0.3 if way is Way.ENGINE_POSTGRESQL else 0.4
        share = result.rate / bare.rate
        yield _goal(f"{name}, of the bare driver", f"≥ {least:.0%}", f"{share:.0%}", share >= least)
    if by_hand := _best_of_smtplib(result, results):
        times = result.rate / by_hand.rate
        yield _goal(f"{name}, against smtplib", "≥ 5 ×", f"{times:.1f} ×", times >= 5)
    cpu = result.per_message(result.sender_cpu) or 0
    yield _goal(f"{name}, CPU of the sender", "≤ 60 µs", f"{cpu:.0f} µs", cpu <= 60)
    if database := result.per_message(result.database_cpu):
        yield _goal(f"{name}, CPU of PostgreSQL", "≤ 30 µs", f"{database:.0f} µs", database <= 30)


def _goals_of_delay(result: Result, results: Results) -> Iterable[list[str]]:
    by_hand = results.find(Way.SMTPLIB, result.run)
    if by_hand:
        times = result.rate / by_hand.rate
        what = f"{result.run.way}, 20 ms, against smtplib"
        yield _goal(what, "≥ 3 ×", f"{times:.1f} ×", times >= 3)


def _goal(what: str, goal: str, measured: str, is_met: bool) -> list[str]:
    return [what, goal, measured, "met" if is_met else "NOT MET"]


def _circumstances(run: Run) -> tuple[int, int, int]:
    return run.size, run.connections, run.delay


def _best_of_smtplib(result: Result, results: Results) -> Result | None:
    """With delays at equal connections; without, the fastest there is of that size."""
    if result.run.delay:
        return results.find(Way.SMTPLIB, result.run)
    alike = [
        other
        for other in results.pushed
        if other.run.way is Way.SMTPLIB
        and (other.run.size, other.run.delay) == (result.run.size, 0)
    ]
    return max(alike, key=lambda other: other.rate, default=None)


def _share(result: Result, whole: Result | None) -> str:
    return f"{result.rate / whole.rate:.0%}" if whole else NONE


def _times(result: Result, one: Result | None) -> str:
    return f"{result.rate / one.rate:.1f}" if one else NONE
