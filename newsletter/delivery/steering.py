"""How an issue moves from state to state while it is sent: pause, resume, cancel, complete.

Each step is a compare-and-swap on the issue's row. A mark asks for that row's state, so a pause
or a cancellation takes effect within a group; what is on the wire is still answered and recorded.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import exists, func, select, update

from newsletter import audit
from newsletter.database import db, execute
from newsletter.delivery import ledger
from newsletter.delivery.models import Batch, Delivery, DeliveryState, Tally
from newsletter.issues.lifecycle import IssueState, WrongStep
from newsletter.issues.models import Issue

CANCELLED = "The issue was cancelled."
CLOCKS_SLOT = 0  # the tally of fan-out and clock


def step(
    issue_id: int,
    before: Collection[IssueState],
    to: IssueState,
    *,
    act: str | None = None,
    **values: Any,
) -> Issue:
    """Move an issue on, unless somebody else was faster; raises `WrongStep`, which names the act.

    Why it had stopped is forgotten, unless `values` say anew.
    """
    values = {"paused_because": None, "told_at": None} | values
    moved = execute(
        update(Issue)
        .where(Issue.id == issue_id, Issue.state.in_(before))
        .values(state=to, **values)
        .returning(Issue.id)
    ).first()
    issue = db.session.get_one(Issue, issue_id, populate_existing=True)
    if not moved:
        raise WrongStep(issue.number, issue.state, to, act)
    return issue


def pause(issue_id: int, *, who: str, now: datetime, because: str | None = None) -> Issue:
    """Let nothing more leave until it is resumed; raises `WrongStep`.

    `because` is said where it stops by itself, in words for editors, who are told of it by mail.
    """
    issue = step(issue_id, [IssueState.SENDING], IssueState.PAUSED, paused_because=because)
    audit.note(who, f"Paused. {because}" if because else "Paused.", now=now, issue_id=issue_id)
    return issue


def resume(issue_id: int, *, who: str, now: datetime) -> Issue:
    """Go on where it stopped; raises `WrongStep`. The edge hints, or the clock finds it."""
    issue = step(issue_id, [IssueState.PAUSED], IssueState.SENDING, act="be resumed")
    audit.note(who, "Resumed.", now=now, issue_id=issue_id)
    return issue


def cancel(issue_id: int, *, who: str, now: datetime) -> Issue:
    """Let nothing more leave, ever: what still waits is skipped; raises `WrongStep`."""
    before = [IssueState.DRAFT, IssueState.SCHEDULED, IssueState.SENDING, IssueState.PAUSED]
    issue = step(issue_id, before, IssueState.CANCELLED)
    skip_rest(issue_id, now=now)
    audit.note(who, "Cancelled.", now=now, issue_id=issue_id)
    return issue


def send_again(issue_id: int, *, before: Collection[IssueState]) -> Issue:
    """Lock an issue of which more is about to be queued; one that was sent is sent on.

    A paused one stays so. Raises `WrongStep` unless its state is among `before`.
    """
    issue = lock(issue_id)
    if issue.state not in before:
        raise WrongStep(issue.number, issue.state, IssueState.SENDING, "be sent again")
    if issue.state is IssueState.SENT:
        issue = step(issue_id, [IssueState.SENT], IssueState.SENDING, completed_at=None)
    return issue


def lock(issue_id: int) -> Issue:
    """The issue as it is now, which nobody else moves until this transaction ends."""
    found = select(Issue).where(Issue.id == issue_id).with_for_update(of=Issue)
    return db.session.scalars(found.execution_options(populate_existing=True)).one()


def skip_rest(issue_id: int, *, now: datetime) -> None:
    """Skip what still waits of a cancelled issue."""
    skipped = execute(
        update(Delivery)
        .where(Delivery.issue_id == issue_id, Delivery.state == DeliveryState.QUEUED)
        .values(state=DeliveryState.SKIPPED, settled_at=now, due_at=None, answer=CANCELLED)
    ).rowcount
    changes = {DeliveryState.QUEUED: -skipped, DeliveryState.SKIPPED: skipped}
    ledger.count(issue_id, CLOCKS_SLOT, changes)


def complete(issue_id: int, *, now: datetime) -> bool:
    """Call an issue sent if nothing of it is queued or sending; says whether it did.

    A batch that is not given back may still bring an answer, so it counts as not done. Whoever
    queues something again locks the issue too, so what we count stays true until we commit.
    """
    if still_to_come(issue_id):
        return False
    lock(issue_id)
    if still_to_come(issue_id) or _exists(Batch, issue_id, Batch.finished_at.is_(None)):
        return False
    moving = (DeliveryState.QUEUED, DeliveryState.SENDING)
    if _exists(Delivery, issue_id, Delivery.state.in_(moving)):
        return False
    moved = execute(
        update(Issue)
        .where(Issue.id == issue_id, Issue.state == IssueState.SENDING)
        .values(state=IssueState.SENT, completed_at=now)
        .returning(Issue.id)
    ).first()
    return moved is not None


def still_to_come(issue_id: int) -> int:
    """How many deliveries are queued or sending, by the tallies."""
    moving = func.coalesce(func.sum(Tally.queued + Tally.sending), 0)
    return int(execute(select(moving).where(Tally.issue_id == issue_id)).scalar_one())


def _exists(model: type[Batch | Delivery], issue_id: int, condition: Any) -> bool:
    found = select(exists().where(model.issue_id == issue_id, condition))
    return bool(execute(found).scalar_one())
