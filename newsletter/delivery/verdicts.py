"""What an answer means for the delivery it was given to.

Before its mark, a delivery is touched by nothing but what came after its reader was named: a relay
that is down, or has something against us, leaves it as it was. A line that ends right there makes
it wait, although the relay may be to blame: a reader over whom a relay stumbles would otherwise be
the next one again and again, and nobody behind would get through. After the mark an attempt has
been made, and each answer leads to one state.
"""

from datetime import datetime, timedelta

from newsletter.delivery import retry
from newsletter.delivery.ledger import BounceNote, Verdict, Waiting
from newsletter.delivery.models import DeliveryState
from newsletter.mail.smtp_answers import Answer, Outcome, Stage
from newsletter.subscribers.models import BounceKind

NAMED = {Stage.RCPT, Stage.DATA}  # a final dot, before ours has left, is another message's
MAILBOX = ("5.1.", "5.2.")  # RFC 3463 3.2, 3.3: something is wrong with the address or the mailbox
OTHERWISE = ("5.3.", "5.5.", "5.6.", "5.7.")  # ... a system, the protocol, the content, our name
SENDER = {"5.1.7", "5.1.8"}  # RFC 3463 3.2: with our own address
FULL = {"5.2.2", "5.2.3"}  # RFC 3463 3.3: for now, or for this mail
SYNTAX = range(500, 505)  # RFC 5321 4.2.2: the protocol, whatever was to be said about the reader
STORAGE_EXCEEDED = 552  # RFC 5321 4.2.3


def judge(
    delivery: Waiting, answer: Answer, *, was_cleared: bool, period: timedelta, now: datetime
) -> Verdict | None:
    """What becomes of a delivery; None leaves it in the queue as it was, and was no attempt.

    `delivery` as it was before the attempt; `was_cleared`: its mark was made, the final dot may
    have left. It is given up when its first attempt was a `period` ago.
    """
    words = retry.in_words(answer)
    if answer.outcome is Outcome.ACCEPTED:
        return Verdict(delivery.id, DeliveryState.SENT, words)
    if answer.outcome is Outcome.IN_DOUBT:
        return Verdict(delivery.id, DeliveryState.IN_DOUBT, words)
    was_named = answer.stage in NAMED or answer.status in retry.NO_UTF8_THERE
    if not was_cleared and not was_named:
        return None
    if retry.is_final(answer):
        return Verdict(delivery.id, DeliveryState.FAILED, words, bounce=_bounce(delivery, answer))
    return _again(delivery, words, period, now)


def bounce_kind(answer: Answer) -> BounceKind | None:
    """What a refusal says about the reader's mailbox; None if nothing.

    Refused at RCPT is a bounce whatever the reason, but only a mailbox that is not there makes a
    hard one. Once the reader was accepted, only a status that names the mailbox counts.
    """
    if answer.outcome is not Outcome.NEVER or answer.code is None:
        return None
    status = answer.status or ""
    is_of_mailbox = status.startswith(MAILBOX) and status not in SENDER
    if answer.stage is not Stage.RCPT and not is_of_mailbox:
        return None
    if status:
        is_soft = status in FULL | SENDER or status.startswith(OTHERWISE)
    else:
        is_soft = answer.code in SYNTAX or answer.code == STORAGE_EXCEEDED
    return BounceKind.SOFT if is_soft else BounceKind.HARD


def _bounce(delivery: Waiting, answer: Answer) -> BounceNote | None:
    kind = bounce_kind(answer)
    return BounceNote(kind, delivery.subscriber_id, answer.status) if kind else None


def _again(delivery: Waiting, words: str, period: timedelta, now: datetime) -> Verdict:
    due_at = retry.next_attempt(
        delivery.attempts + 1,
        first_at=delivery.dated_at or now,
        now=now,
        jitter=retry.spread(delivery.id),
        period=period,
    )
    if due_at is None:
        return Verdict(delivery.id, DeliveryState.FAILED, retry.given_up(words, period))
    return Verdict(delivery.id, DeliveryState.QUEUED, words, due_at)
