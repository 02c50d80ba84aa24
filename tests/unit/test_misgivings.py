"""When an issue stops because its refusals are about us."""

from itertools import cycle

import pytest

from newsletter.delivery.misgivings import Misgivings
from newsletter.mail.smtp_answers import Answer, Outcome, Stage

TAKEN = Answer(Outcome.ACCEPTED, Stage.DOT, "taken", 250)
BLOCKED = Answer(Outcome.NEVER, Stage.DOT, "you are on a block list", 554, "5.7.1")
UNSIGNED = Answer(Outcome.NEVER, Stage.DOT, "no valid signature", 550, "5.7.20")
NOBODY = Answer(Outcome.NEVER, Stage.RCPT, "no such user", 550, "5.1.1")
FULL = Answer(Outcome.NEVER, Stage.RCPT, "mailbox full", 552, "5.2.2")
NO_RELAYING = Answer(Outcome.NEVER, Stage.RCPT, "relay not permitted", 550)
GREYLISTED = Answer(Outcome.NOT_NOW, Stage.RCPT, "greylisted", 451, "4.7.1")
LOST = Answer(Outcome.IN_DOUBT, Stage.DOT, "The server closed the connection.")

DOMAINS = ("example.org", "example.com", "example.net")


def hear(misgivings, answers, domains=DOMAINS):
    """The reasons to pause that these answers give, one after the other."""
    reasons = [
        misgivings.take(answer, domain)
        for answer, domain in zip(answers, cycle(domains), strict=False)
    ]
    return [reason for reason in reasons if reason]


@pytest.fixture
def misgivings():
    return Misgivings(87)


def test_a_refused_sender_address_pauses_at_once(misgivings):
    [reason] = hear(misgivings, [Answer(Outcome.NEVER, Stage.MAIL, "unknown", 550, "5.1.8")])

    assert reason == (
        "The mail relay does not take mail from our sender address: “550 5.1.8 unknown”. Nobody has"
        " failed by that. Resume the issue when the operator has put it right."
    )


@pytest.mark.parametrize("code", [None, 552])
def test_an_issue_that_is_too_large_for_the_relay_pauses_at_once(misgivings, code):
    words = "The relay takes at most 30000 octets"

    [reason] = hear(misgivings, [Answer(Outcome.NEVER, Stage.MAIL, f"{words}.", code, "5.3.4")])

    assert "larger than the mail relay takes" in reason
    assert f"{words}”. Nobody" in reason


@pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT])
def test_readers_whose_addresses_the_relay_cannot_write_to_pause_nothing(misgivings, stage):
    no_utf8 = Answer(Outcome.NEVER, stage, "No SMTPUTF8 here.", None, "5.6.7")

    assert not hear(misgivings, [no_utf8] * 100)


def test_the_same_policy_refusal_twenty_times_in_a_row_pauses(misgivings):
    assert not hear(misgivings, [BLOCKED] * 19, ["example.org"])

    [reason] = hear(misgivings, [BLOCKED], ["example.org"])

    assert reason == (
        "The mail relay refused 20 readers in a row with the same answer: “554 5.7.1 you are on a"
        " block list”. That is about us rather than about them. When the operator has put it right,"
        " resume the issue; once it is sent, those who failed get it by newsletter issue resend 87."
    )


def test_a_sender_address_that_is_refused_only_at_rcpt_pauses_after_twenty(misgivings):
    refused = Answer(Outcome.NEVER, Stage.RCPT, "sender domain not found", 550, "5.1.8")

    assert hear(misgivings, [refused] * 20, ["example.org"])


def test_words_may_differ_where_the_codes_are_the_same(misgivings):
    answers = [
        Answer(Outcome.NEVER, Stage.RCPT, f"policy, see ticket {number}", 550, "5.7.1")
        for number in range(20)
    ]

    assert hear(misgivings, answers, ["example.org"])


@pytest.mark.parametrize("other", [TAKEN, UNSIGNED, NOBODY])
def test_another_final_answer_breaks_the_row(misgivings, other):
    assert not hear(misgivings, [*[BLOCKED] * 19, other, *[BLOCKED] * 19], ["example.org"])


@pytest.mark.parametrize("other", [GREYLISTED, LOST])
def test_what_decides_nothing_does_not_break_the_row(misgivings, other):
    assert hear(misgivings, [*[BLOCKED] * 19, other, BLOCKED], ["example.org"])


def test_one_in_twenty_of_the_last_four_hundred_in_several_domains_pauses(misgivings):
    answers = [*[TAKEN] * 19, BLOCKED] * 20

    [reason] = hear(misgivings, answers)

    assert "20 of the last 400 readers, in several domains" in reason
    assert "you are on a block list" in reason


@pytest.mark.parametrize("domains", [["example.org"], ["example.org", "example.com"]])
def test_what_one_or_two_domains_hold_against_us_does_not_stop_the_others(misgivings, domains):
    for domain in domains * 100:
        assert not hear(misgivings, [BLOCKED], [domain])
        assert not hear(misgivings, [TAKEN] * 9)


def test_what_is_long_past_counts_no_longer(misgivings):
    answers = [*[TAKEN] * 21, BLOCKED] * 100

    assert not hear(misgivings, answers)


def test_different_policies_are_not_added_up(misgivings):
    assert not hear(misgivings, [TAKEN, BLOCKED, TAKEN, UNSIGNED] * 19)


@pytest.mark.parametrize("answer", [NOBODY, FULL, GREYLISTED])
def test_a_list_full_of_dead_addresses_is_no_reason(misgivings, answer):
    assert not hear(misgivings, [answer] * 1000)


@pytest.mark.parametrize(
    "answer",
    [
        NO_RELAYING,
        Answer(Outcome.NEVER, Stage.DATA, "no", 554),
        Answer(Outcome.NEVER, Stage.DOT, "cannot be converted", 554, "5.6.1"),
        Answer(Outcome.NEVER, Stage.DOT, "too large", 552, "5.3.4"),
    ],
)
def test_any_other_refusal_of_twenty_in_a_row_pauses_when_it_is_in_several_domains(
    misgivings, answer
):
    assert not hear(misgivings, [answer] * 30, ["example.org", "example.com"])
    assert not hear(misgivings, [TAKEN, *[answer] * 19])
    assert hear(misgivings, [answer])


def test_other_refusals_among_accepted_mail_are_no_reason(misgivings):
    assert not hear(misgivings, [TAKEN, NO_RELAYING] * 300)


@pytest.mark.parametrize("answers", [[BLOCKED] * 20, [TAKEN, BLOCKED] * 20])
def test_a_resumed_issue_gets_its_chance(misgivings, answers):
    assert hear(misgivings, answers)

    assert not hear(misgivings, answers[:-1])
    assert hear(misgivings, answers[-1:])
