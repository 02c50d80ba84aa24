"""What the clock finds: leases that ran out, retries that are due, issues that are done.

Each step is a short transaction of its own that the caller opens, does a bounded piece of work,
and skips what another clock has locked, so that two clocks do no harm.
"""

from collections import Counter, defaultdict
from datetime import datetime

from sqlalchemy import func, insert, select, update

from newsletter.database import execute
from newsletter.delivery import ledger, slots, statements, steering
from newsletter.delivery.fanout import BATCH_SIZE
from newsletter.delivery.models import Batch, Delivery, DeliveryState, SenderSlot
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Issue

BATCHES_AT_ONCE = 200
RETRIES_AT_ONCE = 20_000


def expire_leases(*, now: datetime) -> int:
    """Take batches back from processes that died; what they had marked is in doubt.

    The rest of such a batch waits as before. Says how many batches.
    """
    expired = execute(
        select(Batch.id, Batch.issue_id)
        .where(Batch.finished_at.is_(None), Batch.lease_until < now)
        .limit(BATCHES_AT_ONCE)
        .with_for_update(skip_locked=True)
    ).all()
    execute(
        update(Batch)
        .where(Batch.id.in_([batch.id for batch in expired]))
        .values(fence=Batch.fence + 1, lease_until=None)
    )
    by_issue: dict[int, list[int]] = defaultdict(list)
    for batch_id, issue_id in expired:
        by_issue[issue_id].append(batch_id)
    for issue_id, batch_ids in by_issue.items():
        doubted = execute(
            update(Delivery)
            .where(Delivery.batch_id.in_(batch_ids), Delivery.state == DeliveryState.SENDING)
            .values(state=DeliveryState.IN_DOUBT, answer=ledger.DIED)
        ).rowcount
        changes = {DeliveryState.SENDING: -doubted, DeliveryState.IN_DOUBT: doubted}
        ledger.count(issue_id, steering.CLOCKS_SLOT, changes)
    return len(expired)


def cut_retries(*, now: datetime) -> int:
    """Put deliveries that are due again into new batches; says how many deliveries."""
    due = execute(
        select(Delivery.id, Delivery.issue_id, Delivery.edition_id)
        .join(Issue, Issue.id == Delivery.issue_id)
        .where(
            Delivery.due_at <= now,
            Delivery.state == DeliveryState.QUEUED,
            Issue.state == IssueState.SENDING,
        )
        .order_by(Delivery.due_at)
        .limit(RETRIES_AT_ONCE)
        .with_for_update(of=Delivery, skip_locked=True)
    ).all()
    by_edition: dict[tuple[int, int], list[int]] = defaultdict(list)
    for delivery_id, issue_id, edition_id in due:
        by_edition[issue_id, edition_id].append(delivery_id)
    for (issue_id, edition_id), ids in by_edition.items():
        for start in range(0, len(ids), BATCH_SIZE):
            _cut(issue_id, edition_id, start // BATCH_SIZE, ids[start : start + BATCH_SIZE])
    return len(due)


def close_issues(*, now: datetime) -> None:
    """Call issues sent that are, and skip what an answer brought back after a cancellation."""
    states = (IssueState.SENDING, IssueState.CANCELLED)
    issues = execute(select(Issue.id, Issue.state).where(Issue.state.in_(states))).all()
    for issue_id, state in issues:
        if state is IssueState.SENDING:
            steering.complete(issue_id, now=now)
        elif steering.still_to_come(issue_id):
            steering.skip_rest(issue_id, now=now)


def openings(*, now: datetime) -> Counter[int]:
    """How many more senders each issue has work and free slots for."""
    batches = execute(
        select(Batch.issue_id, func.count())
        .join(Issue, Issue.id == Batch.issue_id)
        .where(statements.is_claimable())
        .group_by(Batch.issue_id)
    )
    free = execute(
        select(SenderSlot.issue_id, func.count())
        .join(Issue, Issue.id == SenderSlot.issue_id)
        .where(Issue.state == IssueState.SENDING, slots.is_free(now))
        .group_by(SenderSlot.issue_id)
    )
    work, leave = (Counter({row[0]: row[1] for row in rows}) for rows in (batches, free))
    return work & leave


def _cut(issue_id: int, edition_id: int, ordinal: int, delivery_ids: list[int]) -> None:
    batch_id = execute(
        insert(Batch)
        .values(issue_id=issue_id, edition_id=edition_id, ordinal=ordinal, fence=0)
        .returning(Batch.id)
    ).scalar_one()
    execute(
        update(Delivery).where(Delivery.id.in_(delivery_ids)).values(batch_id=batch_id, due_at=None)
    )
