"""Send the notices that are due: claim and mark a few, hand them over, record.

One statement claims and marks. A notice whose answer nobody wrote down is queued again with the
same bytes, because a confirmation that comes twice harms less than one that never comes. Once it
is sent or has failed, its recipient and its words are forgotten.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, delete, exists, select, update

from newsletter.background import is_stopping
from newsletter.database import execute, transaction
from newsletter.delivery import retry
from newsletter.delivery.fleet import Fleet, Line
from newsletter.delivery.heartbeat import heartbeat
from newsletter.delivery.ledger import DIED
from newsletter.delivery.sending import SENDING_TIME, Clock
from newsletter.delivery.slots import LEASE
from newsletter.delivery.splice import notice_keys
from newsletter.mail.identifiers import verp_sender
from newsletter.mail.smtp import Answer, Message, Outcome
from newsletter.notices.models import Notice, NoticeState
from newsletter.pages import settings

KEPT = timedelta(days=35)  # a month and a bit: the caps count by the month
RETRIES_AT_ONCE = 500


class Claimed(NamedTuple):
    """A notice that may leave now, in the hands of whoever has its fence."""

    id: int
    fence: int
    recipient: str
    message: bytes
    attempts: int
    created_at: datetime


_CLAIMED = (
    Notice.id,
    Notice.fence,
    Notice.recipient,
    Notice.message,
    Notice.attempts,
    Notice.created_at,
)


def send_notices(fleet: Fleet, *, clock: Clock) -> None:
    """Send what is due, a few at a time, until nothing is or half a minute is over.

    Stops when all relays rest.
    """
    holder = f"notices:{secrets.token_hex(8)}"
    until = clock() + SENDING_TIME
    held: list[Claimed] = []
    used: set[Line] = set()
    with heartbeat(lambda: _renew(held, clock())):
        while not is_stopping() and clock() < until:
            with transaction():
                line = fleet.choose(holder, clock())
            if line is None:
                break
            used.add(line)
            line.renew(holder)
            line.relay.wait(0)  # what an issue left behind on a connection may be over by now
            with transaction():
                held[:] = claim(line.relay.room(), clock())
            if not held:
                break
            fleet.pace.take(line.name, len(held))
            _hand_over(line, held, clock)
    with transaction():
        for line in used:
            line.leave_probe(holder)
    for line in used:
        line.leave(holder)


def claim(size: int, now: datetime) -> list[Claimed]:
    """Lease and mark the notices that are due longest."""
    due = (
        select(Notice.id)
        .where(Notice.state == NoticeState.QUEUED, Notice.due_at <= now)
        .order_by(Notice.due_at, Notice.id)
        .limit(size)
        .with_for_update(skip_locked=True)
    )
    ids = list(execute(due).scalars())
    rows = execute(
        update(Notice)
        .where(Notice.id.in_(ids))
        .values(
            state=NoticeState.SENDING,
            marked_at=now,
            lease_until=now + LEASE,
            fence=Notice.fence + 1,
            attempts=Notice.attempts + 1,
        )
        .returning(*_CLAIMED)
    )
    return sorted(Claimed(*row) for row in rows)


def record(notice: Claimed, answer: Answer, now: datetime) -> None:
    """Write down what became of a notice, unless somebody else has it by now."""
    if answer.outcome is Outcome.ACCEPTED:
        values = _over(NoticeState.SENT, now)
    elif retry.is_final(answer):
        values = _over(NoticeState.FAILED, now)
    else:
        values = _again(notice, now)
    execute(
        update(Notice)
        .where(_is_held(notice))
        .values(lease_until=None, answer=retry.in_words(answer), **values)
    )


def expire_leases(*, now: datetime) -> int:
    """Queue notices again whose sender died; says how many."""
    expired = execute(
        select(*_CLAIMED)
        .where(
            Notice.due_at.is_not(None),
            Notice.state == NoticeState.SENDING,
            Notice.lease_until < now,
        )
        .limit(RETRIES_AT_ONCE)
        .with_for_update(skip_locked=True)
    ).all()
    for row in expired:
        notice = Claimed(*row)
        execute(
            update(Notice)
            .where(Notice.id == notice.id)
            .values(lease_until=None, fence=Notice.fence + 1, answer=DIED, **_again(notice, now))
        )
    return len(expired)


def are_due(*, now: datetime) -> bool:
    """Whether there is work for a worker."""
    due = exists().where(Notice.state == NoticeState.QUEUED, Notice.due_at <= now)
    return bool(execute(select(due)).scalar_one())


def forget_notices(*, now: datetime) -> None:
    """Delete what was settled five weeks ago."""
    execute(delete(Notice).where(Notice.settled_at < now - KEPT))


def _hand_over(line: Line, notices: Sequence[Claimed], clock: Clock) -> None:
    """Send a group and record its answers, and what they say about the relay."""
    by_id = {notice.id: notice for notice in notices}
    answers = line.relay.hand_over([_message(notice) for notice in notices])
    for _key, answer in answers:
        line.hear(answer)
    with transaction():
        for key, answer in answers:
            record(by_id[key], answer, clock())
        line.tell(clock())
    line.told()


def _message(notice: Claimed) -> Message:
    config = settings()
    return Message(
        key=notice.id,
        sender=verp_sender(notice_keys(config)[0], notice.id, config.bounce_domain),
        recipient=notice.recipient,
        parts=[notice.message],
    )


def _renew(notices: Sequence[Claimed], now: datetime) -> None:
    for notice in notices:
        execute(update(Notice).where(_is_held(notice)).values(lease_until=now + LEASE))


def _is_held(notice: Claimed) -> ColumnElement[bool]:
    return and_(
        Notice.id == notice.id,
        Notice.fence == notice.fence,
        Notice.state == NoticeState.SENDING,
    )


def _over(state: NoticeState, now: datetime) -> dict[str, Any]:
    return {"state": state, "settled_at": now, "recipient": None, "message": None, "due_at": None}


def _again(notice: Claimed, now: datetime) -> dict[str, Any]:
    """Queued for later; failed when it has been tried for too long."""
    due_at = retry.next_attempt(
        notice.attempts,
        first_at=notice.created_at,
        now=now,
        jitter=retry.spread(notice.id),
        period=timedelta(hours=settings().give_up_after_hours),
    )
    if due_at is None:
        return _over(NoticeState.FAILED, now)
    return {"state": NoticeState.QUEUED, "due_at": due_at}
