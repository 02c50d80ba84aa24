"""How an issue moves from state to state while it is sent: pause, resume, cancel, complete.

Each step is a compare-and-swap on the issue's row. A mark asks for that row's state, so a pause
or a cancellation takes effect within a group; what is on the wire is still answered and recorded.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import exists, func, select, update

from newsletter.database import db
from newsletter.delivery import ledger
from newsletter.delivery.models import Batch, Delivery, DeliveryState, Tally
from newsletter.issues.lifecycle import IssueState, WrongStep
from newsletter.issues.models import Issue

CANCELLED = "The issue was cancelled."
CLOCKS_SLOT = 0  # the tally of fan-out and clock


def step(issue_id: int, before: Collection[IssueState], to: IssueState, **values: Any) -> Issue:
    """Move an issue on, unless somebody else was faster; raises `WrongStep`."""
    moved = ledger.execute(
        update(Issue)
        .where(Issue.id == issue_id, Issue.state.in_(before))
        .values(state=to, **values)
        .returning(Issue.id)
    ).first()
    issue = db.session.get_one(Issue, issue_id, populate_existing=True)
    if not moved:
        raise WrongStep(issue.number, issue.state, to)
    return issue


def pause(issue_id: int) -> Issue:
    """Let nothing more leave until it is resumed; raises `WrongStep`."""
    return step(issue_id, [IssueState.SENDING], IssueState.PAUSED)


def resume(issue_id: int) -> Issue:
    """Go on where it stopped; raises `WrongStep`. The edge hints, or the clock finds it."""
    return step(issue_id, [IssueState.PAUSED], IssueState.SENDING)


def cancel(issue_id: int, *, now: datetime) -> Issue:
    """Let nothing more leave, ever: what still waits is skipped; raises `WrongStep`."""
    before = [IssueState.DRAFT, IssueState.SCHEDULED, IssueState.SENDING, IssueState.PAUSED]
    issue = step(issue_id, before, IssueState.CANCELLED)
    skip_rest(issue_id, now=now)
    return issue


def skip_rest(issue_id: int, *, now: datetime) -> None:
    """Skip what still waits of a cancelled issue."""
    skipped = ledger.execute(
        update(Delivery)
        .where(Delivery.issue_id == issue_id, Delivery.state == DeliveryState.QUEUED)
        .values(state=DeliveryState.SKIPPED, settled_at=now, due_at=None, answer=CANCELLED)
    ).rowcount
    changes = {DeliveryState.QUEUED: -skipped, DeliveryState.SKIPPED: skipped}
    ledger.count(issue_id, CLOCKS_SLOT, changes)


def complete(issue_id: int, *, now: datetime) -> bool:
    """Call an issue sent if nothing of it is queued or sending; says whether it did.

    A batch that is not given back may still bring an answer, so it counts as not done.
    """
    if still_to_come(issue_id) or _exists(Batch, issue_id, Batch.finished_at.is_(None)):
        return False
    moving = (DeliveryState.QUEUED, DeliveryState.SENDING)
    if _exists(Delivery, issue_id, Delivery.state.in_(moving)):
        return False
    moved = ledger.execute(
        update(Issue)
        .where(Issue.id == issue_id, Issue.state == IssueState.SENDING)
        .values(state=IssueState.SENT, completed_at=now)
        .returning(Issue.id)
    ).first()
    return moved is not None


def still_to_come(issue_id: int) -> int:
    """How many deliveries are queued or sending, by the tallies."""
    moving = func.coalesce(func.sum(Tally.queued + Tally.sending), 0)
    return int(ledger.execute(select(moving).where(Tally.issue_id == issue_id)).scalar_one())


def _exists(model: type[Batch | Delivery], issue_id: int, condition: Any) -> bool:
    found = select(exists().where(model.issue_id == issue_id, condition))
    return bool(ledger.execute(found).scalar_one())
