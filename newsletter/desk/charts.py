"""The geometry of charts: numbers in, places in a box out; templates draw them as SVG. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

SIDE = 100  # of the box, whatever is drawn in it
STEPS = 40  # of a curve


@dataclass(frozen=True)
class Piece:
    """One part of a bar that lies: where it begins and how wide it is, in hundredths of the box."""

    name: str
    start: float
    width: float


@dataclass(frozen=True)
class Column:
    """One bar that stands; its number of hundredths is how high it is."""

    place: int
    height: float


class Pace(NamedTuple):
    """How many a second were settled in a stretch of time that ended so many seconds in."""

    seconds: float
    per_second: float


def pieces(counts: Mapping[str, int], longest: int) -> list[Piece]:
    """The parts of one bar, in their order, if the longest bar fills the box."""
    found, start = [], 0.0
    for name, count in counts.items():
        width = SIDE * count / longest if longest else 0.0
        if width:
            found.append(Piece(name, round(start, 2), round(width, 2)))
        start += width
    return found


def columns(values: Sequence[float | None]) -> list[Column]:
    """Bars side by side, the highest as high as the box; where there is no value there is none."""
    highest = max((value for value in values if value is not None), default=0)
    return [
        Column(place, round(SIDE * value / highest, 2) if highest else 0.0)
        for place, value in enumerate(values)
        if value is not None
    ]


def paces(
    settled: Sequence[tuple[datetime, int]], started_at: datetime, steps: int = STEPS
) -> list[Pace]:
    """How fast it went, in equal stretches of time from the start to the last count.

    Between two counts it went at an even pace, as far as anybody knows.
    """
    known = [(0.0, 0)] + [((at - started_at).total_seconds(), count) for at, count in settled]
    end = known[-1][0]
    if end <= 0:
        return []
    edges = [end * step / steps for step in range(steps + 1)]
    reached = _between(known, edges)
    return [
        Pace(edge, max(0.0, later - earlier) / (end / steps))
        for edge, earlier, later in zip(edges[1:], reached, reached[1:], strict=False)
    ]


def per_thousand(part: int, of: int) -> float | None:
    """A share that is small; None where there is nothing to share."""
    return 1000 * part / of if of else None


def _between(known: Sequence[tuple[float, int]], wanted: Sequence[float]) -> list[float]:
    """The counts at each wanted moment, on straight lines between those known."""
    found, place = [], 1
    for moment in wanted:
        while place < len(known) - 1 and known[place][0] < moment:
            place += 1
        (before, low), (after, high) = known[place - 1], known[place]
        share = min(1.0, (moment - before) / (after - before)) if after > before else 1.0
        found.append(low + share * (high - low))
    return found
