"""An issue whose deliveries have ended as a test wants them to."""

from collections.abc import Sequence

from sqlalchemy import select, update

from newsletter.database import db, execute, transaction
from newsletter.delivery import steering
from newsletter.delivery.models import Batch, Delivery, DeliveryState
from newsletter.issues.models import Issue
from newsletter.subscribers.models import Subscriber
from tests.factories import NOON
from tests.posting import start_issue

NO_MAILBOX = "550 5.1.1 no such mailbox"
LINE_LOST = "The line was lost after the final dot."


def ended_issue(
    *, sent: Sequence[str] = (), failed: Sequence[str] = (), in_doubt: Sequence[str] = ()
) -> Issue:
    """An issue that was sent to these addresses, with these ends."""
    issue = start_issue(*sent, *failed, *in_doubt)
    with transaction():
        _end(issue, DeliveryState.SENT, sent, "250 2.0.0 taken")
        _end(issue, DeliveryState.FAILED, failed, NO_MAILBOX)
        _end(issue, DeliveryState.IN_DOUBT, in_doubt, LINE_LOST)
        execute(update(Batch).where(Batch.issue_id == issue.id).values(finished_at=NOON))
        assert steering.complete(issue.id, now=NOON)
    return as_it_is(issue)


def as_it_is(issue: Issue) -> Issue:
    """The issue as the database has it now."""
    db.session.rollback()
    return db.session.get_one(Issue, issue.id, populate_existing=True)


def _end(issue: Issue, state: DeliveryState, addresses: Sequence[str], answer: str) -> None:
    to = select(Subscriber.id).where(Subscriber.address.in_(addresses))
    steering.move(
        issue.id,
        DeliveryState.QUEUED,
        state,
        Delivery.subscriber_id.in_(to),
        attempts=1,
        dated_at=NOON,
        marked_at=NOON,
        settled_at=None if state is DeliveryState.IN_DOUBT else NOON,
        answer=answer,
    )
