"""How an issue moves from state to state while it is sent: pause, resume, cancel, complete.

Each step is a compare-and-swap on the issue's row. A mark asks for that row's state, so a pause
or a cancellation takes effect within a group; what is on the wire is still answered and recorded.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, exists, func, select, update

from newsletter import audit
from newsletter.database import db, execute
from newsletter.delivery import ledger
from newsletter.delivery.models import Batch, Delivery, DeliveryState, Tally
from newsletter.issues.changes import lock_issue
from newsletter.issues.lifecycle import IssueState, WrongStep
from newsletter.issues.models import Issue

CANCELLED = "The issue was cancelled."
CLOCKS_SLOT = 0  # the tally of fan-out and clock
SENT_AGAIN = (IssueState.SENDING, IssueState.PAUSED, IssueState.SENT)


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


def queue_again(
    issue_id: int, before: DeliveryState, *which: ColumnElement[bool], now: datetime, **values: Any
) -> int:
    """Queue deliveries that had come to an end, with the Message-ID and Date of before.

    An issue that was sent is sent on, a paused one stays so. Says how many deliveries; raises
    `WrongStep` for an issue that readers have not got, or are not to get.
    """
    issue = lock_issue(issue_id)
    if issue.state not in SENT_AGAIN:
        raise WrongStep(issue.number, issue.state, IssueState.SENDING, "be sent again")
    queued = move(
        issue_id, before, DeliveryState.QUEUED, *which, due_at=now, settled_at=None, **values
    )
    if queued and issue.state is IssueState.SENT:
        step(issue_id, [IssueState.SENT], IssueState.SENDING, completed_at=None)
    return queued


def skip_rest(issue_id: int, *, now: datetime) -> int:
    """Skip what still waits of a cancelled issue; says how many.

    What a sender is writing down at this moment is left to the clock: waiting for each other, one
    of them would be the loser.
    """
    waiting = select(Delivery.id).where(
        Delivery.issue_id == issue_id, Delivery.state == DeliveryState.QUEUED
    )
    return move(
        issue_id,
        DeliveryState.QUEUED,
        DeliveryState.SKIPPED,
        Delivery.id.in_(waiting.with_for_update(skip_locked=True)),
        settled_at=now,
        due_at=None,
        answer=CANCELLED,
    )


def move(
    issue_id: int,
    before: DeliveryState,
    to: DeliveryState,
    *which: ColumnElement[bool],
    **values: Any,
) -> int:
    """Move those deliveries of an issue that are in a state, and the tally; says how many."""
    moved = execute(
        update(Delivery)
        .where(Delivery.issue_id == issue_id, Delivery.state == before, *which)
        .values(state=to, **values)
    ).rowcount
    ledger.count(issue_id, CLOCKS_SLOT, {before: -moved, to: moved})
    return moved


def complete(issue_id: int, *, now: datetime) -> bool:
    """Call an issue sent if nothing of it is queued or sending; says whether it did.

    A batch that is not given back may still bring an answer, so it counts as not done. Whoever
    queues something again locks the issue too, so what we count stays true until we commit.
    """
    if still_to_come(issue_id):
        return False
    lock_issue(issue_id)
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
    """How many deliveries are queued or sending."""
    return counted(issue_id, DeliveryState.QUEUED, DeliveryState.SENDING)


def counted(issue_id: int, *states: DeliveryState) -> int:
    """How many deliveries are in these states, by the tallies: no delivery is looked at."""
    columns = [getattr(Tally, state) for state in states]
    in_states = func.coalesce(func.sum(sum(columns[1:], columns[0])), 0)
    return int(execute(select(in_states).where(Tally.issue_id == issue_id)).scalar_one())


def _exists(model: type[Batch | Delivery], issue_id: int, condition: Any) -> bool:
    found = select(exists().where(model.issue_id == issue_id, condition))
    return bool(execute(found).scalar_one())
