"""What relays said, counted in memory and written down now and then.

Counting costs a sender next to nothing, and a flush every few seconds is one short transaction.
It is for looking at: a process that dies takes its last seconds with it. What must add up stands
in the ledger.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypeVar, cast

from sqlalchemy import Table, select
from sqlalchemy.dialects import postgresql, sqlite

from newsletter.database import execute, is_sqlite, transaction
from newsletter.delivery.models import AnswerTally, Trouble
from newsletter.delivery.retry import in_words
from newsletter.mail.smtp_answers import Answer, Outcome

MOST_DOMAINS = 2000  # of an issue, over all relays: a list may hold a million
MOST_KINDS = 100  # of trouble: a server may make up its codes
OTHER_DOMAINS = "*"  # counts what comes beyond

_ACCEPTED = Outcome.ACCEPTED  # looked up once: for a member of an enum that takes longer
_LOCAL_PART = re.compile(r"[^\s<>()\[\]:;,@]+(?=@)")

Key = TypeVar("Key", bound=Hashable)


@dataclass(slots=True)
class _Met:
    """A kind of trouble, as it was met since the last flush."""

    text: str
    first_at: datetime
    last_at: datetime
    count: int = 0


class AnswerCounts:
    """What relays said to one sender since the last flush; used by one thread."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, Outcome]] = Counter()
        self._troubles: dict[str, _Met] = {}

    def add(self, relay: str, domain: str, answer: Answer, now: datetime) -> None:
        """Count the answer to a mail for somebody at `domain`."""
        outcome = answer.outcome
        self._counts[relay, domain, outcome] += 1
        if outcome is not _ACCEPTED:
            self._note(answer, now)

    def flush(self, issue_id: int) -> None:
        """Write down what came since the last flush, in a transaction of its own.

        It is forgotten only when that has committed: after an error the next flush writes it.
        """
        if not self._counts:
            return
        with transaction():
            _add(AnswerTally, self._tallies(issue_id), sums=list(Outcome))
            _add(Trouble, self._kinds(issue_id), sums=["count"], latest=["last_at"])
        self._counts.clear()
        self._troubles.clear()

    def _note(self, answer: Answer, now: datetime) -> None:
        kind = kind_of(answer)
        if kind not in self._troubles:
            self._troubles[kind] = _Met(without_readers(in_words(answer)), now, now)
        met = self._troubles[kind]
        met.last_at = now
        met.count += 1

    def _tallies(self, issue_id: int) -> list[dict[str, Any]]:
        columns = AnswerTally.relay, AnswerTally.domain
        known = execute(select(*columns).where(AnswerTally.issue_id == issue_id))
        met = dict.fromkeys((relay, domain) for relay, domain, _outcome in self._counts)
        named = _named(met, {(relay, domain) for relay, domain in known}, MOST_DOMAINS)
        rows: dict[tuple[str, str], Counter[Outcome]] = defaultdict(Counter)
        for (relay, domain, outcome), count in self._counts.items():
            key = (relay, domain) if (relay, domain) in named else (relay, OTHER_DOMAINS)
            rows[key][outcome] += count
        return [
            {"issue_id": issue_id, "relay": relay, "domain": domain}
            | {outcome.value: counts[outcome] for outcome in Outcome}
            for (relay, domain), counts in sorted(rows.items())
        ]

    def _kinds(self, issue_id: int) -> list[dict[str, Any]]:
        known = execute(select(Trouble.kind).where(Trouble.issue_id == issue_id))
        named = _named(self._troubles, {kind for (kind,) in known}, MOST_KINDS)
        return [
            {"issue_id": issue_id, "kind": kind} | asdict(met)
            for kind, met in sorted(self._troubles.items())
            if kind in named
        ]


def kind_of(answer: Answer) -> str:
    """What tells one kind of trouble from another: outcome, stage and both codes."""
    parts = (answer.outcome, answer.stage, answer.code, answer.status)
    return " ".join(str(part) for part in parts if part)


def without_readers(words: str) -> str:
    """What a server said, with no address in it: many of them quote the reader's."""
    return _LOCAL_PART.sub("…", words)


def _named(met: Iterable[Key], known: set[Key], most: int) -> set[Key]:
    """Which keys have a row of their own: those that do already, and the first ones beside them.

    Several processes at once may each find the last one free: the bound is a rough one.
    """
    new = [key for key in met if key not in known]
    return known | set(new[: max(0, most - len(known))])


def _add(
    model: type[AnswerTally | Trouble],
    rows: Sequence[Mapping[str, Any]],
    sums: Iterable[str],
    latest: Iterable[str] = (),
) -> None:
    """Add to the counts of rows, or begin them; sorted rows let no two processes deadlock."""
    if not rows:
        return
    table = cast("Table", model.__table__)
    insert = sqlite.insert(table) if is_sqlite() else postgresql.insert(table)
    new = insert.excluded
    upsert = insert.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_={name: table.c[name] + new[name] for name in sums}
        | {name: new[name] for name in latest},
    )
    execute(upsert, rows)
