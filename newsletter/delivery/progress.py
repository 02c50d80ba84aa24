"""How far an issue has come, in numbers.

Read from tallies and samples, so that asking counts no deliveries, however many there are.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import InstrumentedAttribute

from newsletter.background import ISSUES, is_consumed
from newsletter.database import db
from newsletter.delivery.models import AnswerTally, DeliveryState, Tally, Trouble
from newsletter.delivery.relays import Failing, failing
from newsletter.delivery.samples import rate
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Issue
from newsletter.mail.smtp_answers import Outcome
from newsletter.subscribers.models import ConsentEvent, ConsentKind

TOP_DOMAINS = 20
FIRST_TROUBLES = 20


@dataclass(frozen=True)
class Progress:
    """The counts of one issue at one moment; those of the deliveries add up to `total`."""

    number: int
    state: IssueState
    started_at: datetime | None
    completed_at: datetime | None
    paused_because: str | None
    counts: dict[DeliveryState, int]
    unsubscribed: int

    @property
    def total(self) -> int:
        """How many readers it is for."""
        return sum(self.counts.values())

    @property
    def still_to_come(self) -> int:
        """How many may still be sent: queued, or on the wire."""
        return self.counts[DeliveryState.QUEUED] + self.counts[DeliveryState.SENDING]

    @property
    def settled(self) -> int:
        """How many have come to an end, whichever."""
        return self.total - self.still_to_come

    @property
    def went_wrong(self) -> int:
        """How many failed or are in doubt."""
        return self.counts[DeliveryState.FAILED] + self.counts[DeliveryState.IN_DOUBT]

    def as_json(self) -> dict[str, Any]:
        """What is agreed with programs; others may follow these."""
        return {
            "number": self.number,
            "state": self.state.value,
            "deliveries": {state.value: count for state, count in self.counts.items()},
            "unsubscribed": self.unsubscribed,
        }


@dataclass(frozen=True)
class Answers:
    """What was said to the mails by one relay, or for one recipient domain, counted."""

    name: str
    accepted: int
    not_now: int
    never: int
    in_doubt: int


@dataclass(frozen=True)
class KnownTrouble:
    """A kind of answer that was no success, in its first words."""

    kind: str
    text: str
    first_at: datetime
    last_at: datetime
    count: int

    @property
    def outcome(self) -> Outcome:
        """What became of those messages."""
        return Outcome(self.kind.partition(" ")[0])


@dataclass(frozen=True)
class FullProgress(Progress):
    """How far an issue has come, how fast it goes, and what is in the way.

    `rate` is in messages a second; without one there is no telling what time is left. `domains`
    are those that most answers were about.
    """

    rate: float | None
    relays: list[Answers]
    domains: list[Answers]
    troubles: list[KnownTrouble]
    failing_relays: list[Failing]

    @property
    def time_left(self) -> timedelta | None:
        """When it will be done, if it goes on like this."""
        return timedelta(seconds=round(self.still_to_come / self.rate)) if self.rate else None

    def as_json(self) -> dict[str, Any]:
        """What `issue status --json` prints."""
        left = self.time_left
        return super().as_json() | {
            "rate": None if self.rate is None else round(self.rate, 1),
            "seconds_left": None if left is None else int(left.total_seconds()),
            "paused_because": self.paused_because,
            "relays": [asdict(relay) for relay in self.relays],
            "domains": [asdict(domain) for domain in self.domains],
            "troubles": [_as_json(asdict(trouble)) for trouble in self.troubles],
            "failing_relays": [_as_json(relay._asdict()) for relay in self.failing_relays],
        }


def progress(issue_id: int) -> Progress:
    """The counts of an issue now, all of one moment; zero before it is sent."""
    left = select(func.count()).where(
        ConsentEvent.issue_id == Issue.id, ConsentEvent.kind == ConsentKind.UNSUBSCRIBED
    )
    number, state, started_at, completed_at, because, unsubscribed, *counts = db.session.execute(
        select(
            Issue.number,
            Issue.state,
            Issue.sending_started_at,
            Issue.completed_at,
            Issue.paused_because,
            left.scalar_subquery(),
            *(func.coalesce(func.sum(getattr(Tally, state)), 0) for state in DeliveryState),
        )
        .outerjoin(Tally, Tally.issue_id == Issue.id)
        .where(Issue.id == issue_id)
        .group_by(Issue.id)
    ).one()
    return Progress(
        number=number,
        state=state,
        started_at=started_at,
        completed_at=completed_at,
        paused_because=because if state is IssueState.PAUSED else None,
        counts={state: int(count) for state, count in zip(DeliveryState, counts, strict=True)},
        unsubscribed=unsubscribed,
    )


def full_progress(issue_id: int, *, now: datetime) -> FullProgress:
    """All that is known of an issue's way to its readers, in a handful of small queries."""
    counts = progress(issue_id)
    speed = None
    if counts.state is IssueState.SENDING and counts.started_at:
        speed = rate(issue_id, counts.settled, started_at=counts.started_at, now=now)
    return FullProgress(
        **vars(counts),
        rate=speed,
        relays=_answers(issue_id, AnswerTally.relay),
        domains=_answers(issue_id, AnswerTally.domain, most=TOP_DOMAINS),
        troubles=_troubles(issue_id),
        failing_relays=failing(),
    )


def live_workers() -> bool:
    """Whether a worker lives that would send issues; False when Redis does not answer."""
    return is_consumed(ISSUES)


def _answers(
    issue_id: int, by: InstrumentedAttribute[str], most: int | None = None
) -> list[Answers]:
    """The sums for each relay or domain, those with the most answers first."""
    counts = [getattr(AnswerTally, outcome) for outcome in Outcome]
    rows = db.session.execute(
        select(by, *map(func.sum, counts))
        .where(AnswerTally.issue_id == issue_id)
        .group_by(by)
        .order_by(func.sum(sum(counts[1:], counts[0])).desc(), by)
        .limit(most)
    )
    return [Answers(name, *map(int, sums)) for name, *sums in rows]


def _troubles(issue_id: int) -> list[KnownTrouble]:
    rows = db.session.execute(
        select(Trouble.kind, Trouble.text, Trouble.first_at, Trouble.last_at, Trouble.count)
        .where(Trouble.issue_id == issue_id)
        .order_by(Trouble.first_at, Trouble.kind)
        .limit(FIRST_TROUBLES)
    )
    return [KnownTrouble(*row) for row in rows]


def _as_json(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in facts.items()
    }
