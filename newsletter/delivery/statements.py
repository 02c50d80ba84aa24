"""The statements of the sending path, made once, when this module is read.

Each takes a whole group as one parameter. Whatever is written under a lease checks it, and
shared-locks it where PostgreSQL would let it run out meanwhile: whoever lost it changes nothing
any more. Parameters of the lease begin with `held`.
"""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Update,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    union_all,
    update,
)

from newsletter.delivery.models import Batch, Delivery, DeliveryState, Tally
from newsletter.delivery.parameters import given_numbers, given_rows
from newsletter.delivery.prepared import Prepared
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Issue
from newsletter.subscribers.models import Bounce, Subscriber, SubscriberState

LEFT = "The reader left after sending had started."
PAUSED = "The reader paused after sending had started."
SUPPRESSED = "The address was suppressed after sending had started."


def waits() -> ColumnElement[bool]:
    """The condition that a delivery may be tried."""
    return and_(Delivery.state == DeliveryState.QUEUED, Delivery.due_at.is_(None))


def is_claimable() -> ColumnElement[bool]:
    """The condition that a batch, joined with its issue, may be taken."""
    return and_(
        Batch.finished_at.is_(None),
        Batch.lease_until.is_(None),
        Issue.state == IssueState.SENDING,
    )


def _is_ours() -> ColumnElement[bool]:
    return and_(
        Batch.id == bindparam("held_batch"),
        Batch.fence == bindparam("held_fence"),
        Batch.finished_at.is_(None),
    )


def _is_held() -> ColumnElement[bool]:
    """A delivery's batch is ours and stays so until we commit.

    The sum keeps PostgreSQL from reading the whole batch where it is told the deliveries.
    """
    ours = select(Batch.id).where(_is_ours()).with_for_update(read=True)
    return and_(Delivery.batch_id + 0 == bindparam("held_batch"), exists(ours))


def _still_reads() -> ColumnElement[bool]:
    return exists().where(
        Subscriber.id == Delivery.subscriber_id,
        Subscriber.state == SubscriberState.CONFIRMED,
        Subscriber.suppressed_at.is_(None),
        or_(Subscriber.paused_until.is_(None), Subscriber.paused_until <= _time("now")),
    )


def _is_being_sent() -> ColumnElement[bool]:
    return exists().where(Issue.id == bindparam("of_issue"), Issue.state == IssueState.SENDING)


def _why_skipped() -> ColumnElement[str]:
    return (
        select(
            case(
                (Subscriber.state != SubscriberState.CONFIRMED, LEFT),
                (Subscriber.suppressed_at.is_not(None), SUPPRESSED),
                else_=PAUSED,
            )
        )
        .where(Subscriber.id == Delivery.subscriber_id)
        .scalar_subquery()
    )


def _time(name: str) -> Any:
    return bindparam(name, type_=Delivery.marked_at.type)


_given_number = given_numbers("ids")
_given_id, _given_answer = given_rows("rows")


def _mark() -> Update:
    return (
        update(Delivery)
        .where(
            Delivery.id == _given_number,
            waits(),
            _is_held(),
            _is_being_sent(),
            _still_reads(),
        )
        .values(
            state=DeliveryState.SENDING,
            marked_at=_time("now"),
            dated_at=func.coalesce(Delivery.dated_at, _time("held_dated")),
            attempts=Delivery.attempts + 1,
        )
    )


def _record() -> Update:
    return (
        update(Delivery)
        .where(
            Delivery.id == _given_id,
            Delivery.state == bindparam("before"),
            Delivery.due_at.is_(None),  # what was queued again already is not queued again
            _is_held(),
        )
        .values(
            state=bindparam("after"),
            answer=_given_answer,
            attempts=Delivery.attempts + bindparam("tried"),
            dated_at=func.coalesce(Delivery.dated_at, _time("held_dated")),
            due_at=_time("due"),
            settled_at=_time("settled"),
        )
    )


def _claim() -> Update:
    free = (
        select(Batch.id)
        .join(Issue, Issue.id == Batch.issue_id)
        .where(Batch.issue_id == bindparam("of_issue"), is_claimable())
        .order_by(Batch.id)
        .limit(1)
        .with_for_update(of=Batch, skip_locked=True)
    )
    return (
        update(Batch)
        .where(Batch.id == free.scalar_subquery())
        .values(lease_until=bindparam("until"), fence=Batch.fence + 1)
        .returning(Batch.id, Batch.edition_id, Batch.fence)
    )


def _turn_over() -> CompoundSelect[Any]:
    """Record what was sent, mark what is next, move the tally: all at once, by PostgreSQL alone.

    Gives the ids of both, with 0 for what was recorded and 1 for what was marked.
    """
    recorded = _record().returning(Delivery.id).cte("recorded")
    marked = _mark().returning(Delivery.id).cte("marked")
    sent = select(func.count()).select_from(recorded).scalar_subquery()
    leaving = select(func.count()).select_from(marked).scalar_subquery()
    counted = (
        update(Tally)
        .where(Tally.issue_id == bindparam("of_issue"), Tally.slot == bindparam("of_slot"))
        .values(
            queued=Tally.queued - leaving,
            sending=Tally.sending + leaving - sent,
            sent=Tally.sent + sent,
        )
        .cte("counted")
    )
    both = union_all(select(literal(0), recorded.c.id), select(literal(1), marked.c.id))
    return both.add_cte(counted)


CLAIM = Prepared(_claim())
TURN_OVER = Prepared(_turn_over())
MARK = Prepared(_mark().returning(Delivery.id))
MARKED = Prepared(
    select(Delivery.id).where(
        Delivery.id == _given_number, Delivery.state == DeliveryState.SENDING, _is_held()
    )
)
SKIP = Prepared(
    update(Delivery)
    .where(Delivery.id == _given_number, waits(), _is_held(), ~_still_reads())
    .values(state=DeliveryState.SKIPPED, settled_at=_time("now"), answer=_why_skipped())
)
RECORD = Prepared(_record())
RECORDED = Prepared(_record().returning(Delivery.id))
POSTPONE = Prepared(
    update(Delivery)
    .where(Delivery.id == _given_number, waits(), _is_held())
    .values(due_at=_time("due"))
)
GIVE_BACK = Prepared(
    update(Batch)
    .where(_is_ours())
    .values(
        lease_until=None,
        finished_at=case(
            (exists().where(Delivery.batch_id == Batch.id, waits()), null()),
            else_=_time("now"),
        ),
    )
)
COUNT = Prepared(
    update(Tally)
    .where(Tally.issue_id == bindparam("of_issue"), Tally.slot == bindparam("of_slot"))
    .values(
        {
            getattr(Tally, state): getattr(Tally, state) + bindparam(f"{state}_more")
            for state in DeliveryState
        }
    )
)
NOTE_BOUNCE = Prepared(
    insert(Bounce).values(
        subscriber_id=bindparam("of_subscriber"),
        delivery_id=bindparam("of_delivery"),
        kind=bindparam("of_kind"),
        status=bindparam("status"),
        text=bindparam("text"),
        at=bindparam("at"),
    )
)
WAITING = Prepared(
    select(
        Delivery.id,
        Delivery.subscriber_id,
        Subscriber.address,
        Delivery.attempts,
        Delivery.dated_at,
    )
    .join(Subscriber, Subscriber.id == Delivery.subscriber_id)
    .where(Delivery.batch_id == bindparam("held_batch"), waits())
    .order_by(Delivery.id)
)
