"""What parts on higher floors hold about a reader: told on request, blanked by an erasure.

Each such part registers once, when it is imported, so that subscribers need not know it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Traces:
    """One part's ways to tell what it holds about a subscriber (by id), and to blank it."""

    name: str
    tell: Callable[[int], list[dict[str, Any]]]
    blank: Callable[[int, datetime], None]


_registered: list[Traces] = []


def register(traces: Traces) -> None:
    """Let a part be asked too."""
    _registered.append(traces)


def tell(subscriber_id: int) -> dict[str, list[dict[str, Any]]]:
    """What all parts hold, by their names."""
    return {traces.name: traces.tell(subscriber_id) for traces in _registered}


def blank(subscriber_id: int, now: datetime) -> None:
    """Let all parts forget what could tell who it was; what is counted stays."""
    for traces in _registered:
        traces.blank(subscriber_id, now)
