"""When to try again, and when to stop."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.delivery.retry import (
    LONGEST_PAUSE,
    given_up,
    in_words,
    is_about_the_message,
    is_final,
    next_attempt,
    spread,
)
from newsletter.mail.smtp import Answer, Outcome, Stage

PERIOD = timedelta(days=3)
NOON = datetime(2026, 11, 17, 12, 0, tzinfo=UTC)


def pause_after(attempts, *, jitter=0.0):
    due_at = next_attempt(attempts, first_at=NOON, now=NOON, jitter=jitter, period=PERIOD)
    assert due_at
    return due_at - NOON


def test_the_pauses_grow_from_a_minute_to_an_hour():
    minutes = [pause_after(attempts).total_seconds() / 60 for attempts in range(1, 10)]

    assert minutes == [1, 2, 5, 10, 20, 40, 60, 60, 60]


def test_jitter_lengthens_a_pause_by_a_tenth_at_most():
    assert pause_after(3, jitter=1.0) == timedelta(minutes=5.5)


def test_a_pause_ends_with_a_second_and_never_early():
    a_moment_later = NOON + timedelta(microseconds=1)

    due_at = next_attempt(1, first_at=NOON, now=a_moment_later, jitter=0, period=PERIOD)

    assert due_at == NOON + timedelta(minutes=1, seconds=1)


@pytest.mark.parametrize("period", [timedelta(hours=1), timedelta(days=3)])
def test_after_its_period_it_is_given_up(period):
    over = NOON + period
    before = over - timedelta(seconds=1)

    assert next_attempt(70, first_at=NOON, now=over, jitter=0, period=period) is None
    assert next_attempt(70, first_at=NOON, now=before, jitter=0, period=period)


def test_after_days_of_pause_or_when_sent_again_it_is_tried_a_few_times_more():
    long_ago = NOON - timedelta(days=30)

    for attempts in range(1, 7):
        assert next_attempt(attempts, first_at=long_ago, now=NOON, jitter=0, period=PERIOD)
    assert next_attempt(7, first_at=long_ago, now=NOON, jitter=0, period=PERIOD) is None


@given(st.integers(1, 10**6), st.integers(0, 10**12), st.timedeltas(timedelta(0), PERIOD))
def test_another_try_always_lies_ahead_and_never_far(attempts, number, age):
    now = NOON + age

    due_at = next_attempt(attempts, first_at=NOON, now=now, jitter=spread(number), period=PERIOD)

    if due_at is None:
        assert age >= PERIOD
    else:
        assert timedelta(minutes=1) <= due_at - now < 1.1 * LONGEST_PAUSE + timedelta(seconds=1)
        assert due_at.microsecond == 0


@pytest.mark.parametrize(
    ("period", "words"),
    [
        (timedelta(hours=1), "1 hour"),
        (timedelta(hours=36), "36 hours"),
        (timedelta(days=1), "1 day"),
        (timedelta(days=3), "3 days"),
    ],
)
def test_what_was_given_up_keeps_how_long_it_was_tried_and_the_last_answer(period, words):
    said = given_up("451 4.7.1 come back later", period)

    assert said == f"Gave up after {words}. Last answer: 451 4.7.1 come back later"


@pytest.mark.parametrize(
    ("answer", "is_about_it"),
    [
        (Answer(Outcome.ACCEPTED, Stage.DOT, "taken", 250), True),
        (Answer(Outcome.NEVER, Stage.RCPT, "no such user", 550, "5.1.1"), True),
        (Answer(Outcome.NOT_NOW, Stage.RCPT, "greylisted", 451), True),
        (Answer(Outcome.NOT_NOW, Stage.DATA, "busy", 451), True),
        (Answer(Outcome.NEVER, Stage.DOT, "spam", 554), True),
        (Answer(Outcome.NEVER, Stage.MAIL, "No SMTPUTF8 here.", None, "5.6.7"), True),
        (Answer(Outcome.NEVER, Stage.MAIL, "who are you", 550), False),
        (Answer(Outcome.NOT_NOW, Stage.MAIL, "no room", 452), False),
        (Answer(Outcome.NOT_NOW, Stage.RCPT, "closing", 421), False),
        (Answer(Outcome.NOT_NOW, Stage.DOT, "closing", 421), False),
        (Answer(Outcome.NOT_NOW, Stage.DATA, "The server answered out of order.", 250), False),
        (Answer(Outcome.NOT_NOW, Stage.RCPT, "The server closed the connection."), False),
        (Answer(Outcome.NOT_NOW, Stage.GREETING, "not today", 450), False),
        (Answer(Outcome.IN_DOUBT, Stage.DOT, "The server did not answer in time."), False),
    ],
)
def test_what_is_said_to_one_message_is_told_from_what_befell_its_connection(answer, is_about_it):
    assert is_about_the_message(answer) is is_about_it


def test_neighbours_do_not_come_back_together():
    assert len({round(spread(number), 2) for number in range(1, 40)}) > 30


@pytest.mark.parametrize(
    ("answer", "final"),
    [
        (Answer(Outcome.NEVER, Stage.RCPT, "no such user", 550), True),
        (Answer(Outcome.NEVER, Stage.DOT, "spam", 554), True),
        (Answer(Outcome.NEVER, Stage.MAIL, "No SMTPUTF8 here.", None, "5.6.7"), True),
        (Answer(Outcome.NEVER, Stage.MAIL, "who are you", 550), False),
        (Answer(Outcome.NOT_NOW, Stage.AUTH, "wrong password", 535), False),
        (Answer(Outcome.NOT_NOW, Stage.RCPT, "greylisted", 451), False),
        (Answer(Outcome.ACCEPTED, Stage.DOT, "taken", 250), False),
        (Answer(Outcome.IN_DOUBT, Stage.DOT, "The line broke."), False),
    ],
)
def test_a_refusal_is_final_unless_it_is_about_us(answer, final):
    assert is_final(answer) is final


def test_an_answer_is_kept_with_its_codes():
    assert in_words(Answer(Outcome.NEVER, Stage.RCPT, "no", 550, "5.1.1")) == "550 5.1.1 no"
    assert in_words(Answer(Outcome.IN_DOUBT, Stage.DOT, "The line broke.")) == "The line broke."
