"""When a relay has failed, and how carefully it is met again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.delivery.strikes import Strikes
from newsletter.mail.smtp_answers import Answer, Outcome, Stage

TAKEN = Answer(Outcome.ACCEPTED, Stage.DOT, "taken", 250)
GREYLISTED = Answer(Outcome.NOT_NOW, Stage.RCPT, "greylisted", 451, "4.7.1")
NOBODY = Answer(Outcome.NEVER, Stage.RCPT, "no such user", 550, "5.1.1")
REFUSED = Answer(Outcome.NOT_NOW, Stage.CONNECT, "Connection refused")
TOO_MANY = Answer(Outcome.NOT_NOW, Stage.GREETING, "too many connections", 421)
SENDER_UNKNOWN = Answer(Outcome.NEVER, Stage.MAIL, "who are you", 550)

STRIKES = [
    REFUSED,
    TOO_MANY,
    Answer(Outcome.NOT_NOW, Stage.HELLO, "not for you", 550),
    Answer(Outcome.NOT_NOW, Stage.TLS, "The certificate of the server is not trusted"),
    Answer(Outcome.NOT_NOW, Stage.AUTH, "wrong password", 535),
    Answer(Outcome.NOT_NOW, Stage.MAIL, "no room", 452, "4.3.1"),
    Answer(Outcome.NOT_NOW, Stage.RCPT, "closing", 421),
    Answer(Outcome.NOT_NOW, Stage.DATA, "The server closed the connection."),
    Answer(Outcome.NOT_NOW, Stage.DOT, "closing", 421, "4.3.2"),
    Answer(Outcome.IN_DOUBT, Stage.DOT, "The server did not answer in time."),
]


def take(strikes, *answers):
    """Whether any of these made it trip."""
    return any(strikes.take(answer) for answer in answers)


def grow(strikes, proper=1000):
    """What it may have after so many proper answers."""
    for _ in range(proper):
        assert not strikes.take(TAKEN)
    return strikes.allowed


@pytest.mark.parametrize("strike", STRIKES)
def test_three_failures_in_a_row_are_enough(strike):
    strikes = Strikes(50)

    assert not take(strikes, strike, strike)
    assert take(strikes, strike)


@pytest.mark.parametrize("proper", [TAKEN, GREYLISTED, NOBODY])
def test_a_proper_answer_begins_the_count_anew(proper):
    strikes = Strikes(50)

    assert not take(strikes, REFUSED, REFUSED, proper, REFUSED, REFUSED)
    assert take(strikes, REFUSED)


def test_a_refused_sender_is_no_failure_of_the_relay_and_no_proof_of_it():
    strikes = Strikes(50)

    assert not take(strikes, *[SENDER_UNKNOWN] * 10)
    assert not strikes.is_working
    assert take(strikes, REFUSED, SENDER_UNKNOWN, REFUSED, SENDER_UNKNOWN, REFUSED)


def test_what_else_was_on_the_wire_must_have_failed_too():
    strikes = Strikes(50)
    grow(strikes)

    assert not any(strikes.take(REFUSED, under_way=9 - gone) for gone in range(9))
    assert strikes.take(REFUSED, under_way=0)


def test_a_relay_that_takes_ten_connections_and_no_more_is_not_left_alone():
    strikes = Strikes(50)
    strikes.allowed = 16

    assert not any(strikes.take(TOO_MANY, under_way=15 - gone) for gone in range(6))
    assert not strikes.take(TAKEN, under_way=9)
    assert strikes.allowed == 10


def test_connections_grow_from_one_by_doubling_with_each_round():
    strikes = Strikes(50)
    seen = [strikes.allowed]
    for _ in range(70):
        strikes.take(TAKEN)
        if strikes.allowed != seen[-1]:
            seen.append(strikes.allowed)

    assert seen == [1, 2, 4, 8, 16, 32, 50]


def test_after_a_refused_connection_they_grow_by_one_and_rarely():
    strikes = Strikes(50)
    grow(strikes, 7)
    assert strikes.allowed == 8

    strikes.take(TOO_MANY)

    assert grow(strikes, 699) == 7
    assert grow(strikes, 1) == 8


def test_a_line_that_breaks_once_costs_no_connection():
    strikes = Strikes(50)
    grow(strikes)

    strikes.take(Answer(Outcome.IN_DOUBT, Stage.DOT, "The server closed the connection."))

    assert strikes.allowed == 50


def test_a_relay_that_failed_is_met_with_one_connection_again():
    strikes = Strikes(50)
    grow(strikes)

    assert take(strikes, *STRIKES[:3])

    assert strikes.allowed == 1
    assert not strikes.is_working


def test_a_probe_fails_by_its_first_strike():
    strikes = Strikes(50)

    assert strikes.take(REFUSED, is_probe=True)
    assert not strikes.is_working


def test_a_probe_succeeds_by_its_first_proper_answer():
    strikes = Strikes(50)
    strikes.take(REFUSED, is_probe=True)

    assert not strikes.take(NOBODY, is_probe=True)
    assert strikes.is_working
    assert not strikes.take(REFUSED, is_probe=True)


@given(st.lists(st.sampled_from([TAKEN, NOBODY, SENDER_UNKNOWN, *STRIKES])), st.integers(1, 60))
def test_there_is_always_one_connection_and_never_more_than_may_be(answers, most):
    strikes = Strikes(most)
    for answer in answers:
        strikes.take(answer)
        assert 1 <= strikes.allowed <= most
