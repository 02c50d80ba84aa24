"""What an answer means for the delivery it was given to."""

from datetime import UTC, datetime, timedelta

import pytest

from newsletter.delivery.ledger import BounceNote, Waiting
from newsletter.delivery.models import DeliveryState
from newsletter.delivery.verdicts import bounce_kind, judge
from newsletter.mail.smtp_answers import Answer, Outcome, Stage
from newsletter.subscribers.models import BounceKind

NOON = datetime(2026, 11, 17, 12, 0, tzinfo=UTC)
PERIOD = timedelta(days=3)
FIRST = Waiting(id=0, subscriber_id=7, address="amal@example.org", attempts=0, dated_at=None)

NOBODY = Answer(Outcome.NEVER, Stage.RCPT, "no such user", 550, "5.1.1")
GREYLISTED = Answer(Outcome.NOT_NOW, Stage.RCPT, "greylisted", 451, "4.7.1")
SPAM = Answer(Outcome.NEVER, Stage.DOT, "spam", 554, "5.7.1")
CLOSING_AFTER_DOT = Answer(Outcome.NOT_NOW, Stage.DOT, "closing", 421, "4.3.2")
REFUSED = Answer(Outcome.NOT_NOW, Stage.CONNECT, "Connection refused")


def verdict(answer, *, was_cleared, delivery=FIRST, period=PERIOD, now=NOON):
    return judge(delivery, answer, was_cleared=was_cleared, period=period, now=now)


def state(answer, *, was_cleared):
    found = verdict(answer, was_cleared=was_cleared)
    return found and found.state


def waiting_since(first_at, attempts):
    return FIRST._replace(attempts=attempts, dated_at=first_at)


def test_a_message_that_was_taken_is_sent():
    found = verdict(Answer(Outcome.ACCEPTED, Stage.DOT, "queued as 7F", 250), was_cleared=True)

    assert found.state is DeliveryState.SENT
    assert found.answer == "250 queued as 7F"


def test_a_line_lost_after_the_dot_leaves_a_doubt():
    lost = Answer(Outcome.IN_DOUBT, Stage.DOT, "The server closed the connection.")

    found = verdict(lost, was_cleared=True)

    assert found.state is DeliveryState.IN_DOUBT
    assert found.answer == "The server closed the connection."


@pytest.mark.parametrize(
    "answer",
    [
        REFUSED,
        Answer(Outcome.NOT_NOW, Stage.GREETING, "not today", 554),
        Answer(Outcome.NOT_NOW, Stage.AUTH, "wrong password", 535),
        Answer(Outcome.NOT_NOW, Stage.RESET, "The server did not forget the last message.", 451),
        Answer(Outcome.NOT_NOW, Stage.MAIL, "no room", 452),
        Answer(Outcome.NEVER, Stage.MAIL, "who are you", 550, "5.1.8"),
        Answer(Outcome.NEVER, Stage.MAIL, "The relay takes at most 9 octets.", None, "5.3.4"),
        Answer(Outcome.NOT_NOW, Stage.MAIL, "The server closed the connection."),
        Answer(Outcome.NOT_NOW, Stage.MAIL, "closing", 421),
        Answer(Outcome.NOT_NOW, Stage.DOT, "The server closed the connection."),
        Answer(Outcome.NOT_NOW, Stage.DOT, "closing", 421),
        Answer(Outcome.NOT_NOW, Stage.DOT, "The server answered out of order. no room", 452),
    ],
)
def test_before_its_reader_was_named_nothing_touches_a_delivery(answer):
    assert verdict(answer, was_cleared=False) is None


@pytest.mark.parametrize(
    "answer",
    [
        Answer(Outcome.NOT_NOW, Stage.RCPT, "busy", 450),
        Answer(Outcome.NOT_NOW, Stage.DATA, "busy", 450),
        Answer(Outcome.NOT_NOW, Stage.RCPT, "closing", 421),
        Answer(Outcome.NOT_NOW, Stage.RCPT, "The server closed the connection."),
        Answer(Outcome.NOT_NOW, Stage.DATA, "The server answered out of order.", 250),
    ],
)
def test_a_reader_who_is_not_taken_now_lets_others_go_first_even_before_a_mark(answer):
    found = verdict(answer, was_cleared=False)

    assert found.state is DeliveryState.QUEUED
    assert found.due_at == NOON + timedelta(minutes=1)


@pytest.mark.parametrize(
    "answer",
    [
        REFUSED,
        GREYLISTED,
        CLOSING_AFTER_DOT,
        Answer(Outcome.NOT_NOW, Stage.DATA, "The server closed the connection."),
        Answer(Outcome.NOT_NOW, Stage.DOT, "busy", 450),
        Answer(Outcome.NEVER, Stage.MAIL, "who are you", 550),
    ],
)
def test_after_its_mark_what_was_not_sent_is_tried_again(answer):
    found = verdict(answer, was_cleared=True)

    assert found.state is DeliveryState.QUEUED
    assert found.due_at == NOON + timedelta(minutes=1)


def test_the_pauses_grow_with_the_attempts():
    delivery = waiting_since(NOON - timedelta(hours=1), attempts=2)

    found = verdict(GREYLISTED, was_cleared=False, delivery=delivery)

    assert found.due_at == NOON + timedelta(minutes=5)


@pytest.mark.parametrize("was_cleared", [False, True])
def test_after_its_period_a_delivery_fails_and_says_why(was_cleared):
    delivery = waiting_since(NOON - timedelta(hours=6), attempts=9)

    found = verdict(
        GREYLISTED, was_cleared=was_cleared, delivery=delivery, period=timedelta(hours=6)
    )

    assert found.state is DeliveryState.FAILED
    assert found.answer == "Gave up after 6 hours. Last answer: 451 4.7.1 greylisted"
    assert found.due_at is None
    assert found.bounce is None


def test_a_relay_that_was_down_for_longer_than_the_period_has_failed_nobody():
    delivery = waiting_since(NOON - timedelta(days=9), attempts=1)

    assert verdict(REFUSED, was_cleared=False, delivery=delivery) is None


@pytest.mark.parametrize("was_cleared", [False, True])
def test_a_reader_who_is_refused_for_good_fails_and_is_kept_as_a_bounce(was_cleared):
    found = verdict(NOBODY, was_cleared=was_cleared)

    assert found.state is DeliveryState.FAILED
    assert found.answer == "550 5.1.1 no such user"
    assert found.bounce == BounceNote(BounceKind.HARD, 7, "5.1.1")


def test_a_message_that_is_refused_for_good_fails():
    found = verdict(SPAM, was_cleared=True)

    assert found.state is DeliveryState.FAILED
    assert found.bounce is None


def test_a_reader_whose_address_the_relay_cannot_write_to_fails_alone():
    no_utf8 = Answer(Outcome.NEVER, Stage.MAIL, "No SMTPUTF8 here.", None, "5.6.7")

    found = verdict(no_utf8, was_cleared=False)

    assert found.state is DeliveryState.FAILED
    assert found.bounce is None


HARD, SOFT = BounceKind.HARD, BounceKind.SOFT


@pytest.mark.parametrize(
    ("stage", "code", "status", "kind"),
    [
        (Stage.RCPT, 550, "5.1.1", HARD),
        (Stage.RCPT, 550, "5.2.1", HARD),
        (Stage.RCPT, 550, "5.4.1", HARD),
        (Stage.RCPT, 550, None, HARD),
        (Stage.RCPT, 552, "5.2.2", SOFT),
        (Stage.RCPT, 552, None, SOFT),
        (Stage.RCPT, 552, "5.2.3", SOFT),
        (Stage.RCPT, 550, "5.3.2", SOFT),
        (Stage.RCPT, 503, "5.5.1", SOFT),
        (Stage.RCPT, 500, None, SOFT),
        (Stage.RCPT, 501, None, SOFT),
        (Stage.RCPT, 504, None, SOFT),
        (Stage.RCPT, 501, "5.1.3", HARD),
        (Stage.RCPT, 554, "5.7.1", SOFT),
        (Stage.RCPT, 550, "5.1.8", SOFT),
        (Stage.DOT, 550, "5.1.1", HARD),
        (Stage.DOT, 552, "5.2.2", SOFT),
        (Stage.DOT, 552, None, None),
        (Stage.DOT, 554, None, None),
        (Stage.DATA, 554, "5.7.1", None),
        (Stage.DOT, 550, "5.1.8", None),
        (Stage.RCPT, None, "5.6.7", None),
    ],
)
def test_only_a_mailbox_that_is_not_there_makes_a_hard_bounce(stage, code, status, kind):
    assert bounce_kind(Answer(Outcome.NEVER, stage, "no", code, status)) is kind
