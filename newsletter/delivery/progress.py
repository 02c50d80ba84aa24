"""How far an issue has come, in numbers: read from tallies, so that asking counts nothing."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from newsletter.background import ISSUES, is_consumed
from newsletter.database import db
from newsletter.delivery.models import DeliveryState, Tally
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Issue
from newsletter.subscribers.models import ConsentEvent, ConsentKind


@dataclass(frozen=True)
class Progress:
    """The counts of one issue at one moment; those of the deliveries add up to `total`."""

    number: int
    state: IssueState
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
    def went_wrong(self) -> int:
        """How many failed or are in doubt."""
        return self.counts[DeliveryState.FAILED] + self.counts[DeliveryState.IN_DOUBT]

    def as_json(self) -> dict[str, Any]:
        """What `issue status --json` prints."""
        return {
            "number": self.number,
            "state": self.state.value,
            "deliveries": {state.value: count for state, count in self.counts.items()},
            "unsubscribed": self.unsubscribed,
        }


def progress(issue_id: int) -> Progress:
    """The counts of an issue now; all zero before it is sent."""
    issue = select(Issue.number, Issue.state).where(Issue.id == issue_id)
    sums = [func.coalesce(func.sum(getattr(Tally, state)), 0) for state in DeliveryState]
    left = select(func.count()).where(
        ConsentEvent.issue_id == issue_id, ConsentEvent.kind == ConsentKind.UNSUBSCRIBED
    )
    number, state = db.session.execute(issue).one()
    counts = db.session.execute(select(*sums).where(Tally.issue_id == issue_id)).one()
    return Progress(
        number=number,
        state=state,
        counts={state: int(count) for state, count in zip(DeliveryState, counts, strict=True)},
        unsubscribed=db.session.scalar(left) or 0,
    )


def live_workers() -> bool:
    """Whether a worker lives that would send issues; False when Redis does not answer."""
    return is_consumed(ISSUES)
