"""The states of an issue and the way between them."""

from itertools import pairwise

import pytest

from newsletter.issues.lifecycle import IssueState, WrongStep, check_step, may_follow

DRAFT, SCHEDULED, SENDING, SENT, PAUSED, CANCELLED = IssueState


def test_an_issue_goes_from_draft_to_sent_and_may_rest_on_the_way():
    for state, to in pairwise([DRAFT, SCHEDULED, SENDING, PAUSED, SENDING, SENT]):
        check_step(87, state, to)
    check_step(87, DRAFT, SENDING)
    check_step(87, SCHEDULED, DRAFT)


@pytest.mark.parametrize("state", [DRAFT, SCHEDULED, SENDING, PAUSED])
def test_an_issue_can_be_cancelled_until_it_was_sent(state):
    assert may_follow(state, CANCELLED)


def test_nothing_follows_once_an_issue_was_cancelled():
    assert not any(may_follow(CANCELLED, to) for to in IssueState)


def test_what_was_sent_can_only_be_sent_on_to_those_who_did_not_get_it():
    assert [to for to in IssueState if may_follow(SENT, to)] == [SENDING]


@pytest.mark.parametrize("state", [SENDING, PAUSED])
def test_what_readers_have_in_their_mailbox_never_becomes_a_draft_again(state):
    assert not may_follow(state, DRAFT)
    assert not may_follow(state, SCHEDULED)


@pytest.mark.parametrize(
    ("state", "to", "sentence"),
    [
        (SENDING, SENDING, "Issue 87 is being sent already."),
        (SENT, CANCELLED, "Issue 87 has been sent, so it can't be cancelled."),
        (CANCELLED, CANCELLED, "Issue 87 was cancelled already."),
        (DRAFT, PAUSED, "Issue 87 is a draft, so it can't be paused."),
    ],
)
def test_a_step_that_cannot_be_says_where_the_issue_stands(state, to, sentence):
    with pytest.raises(WrongStep) as refusal:
        check_step(87, state, to)

    assert str(refusal.value) == sentence
    assert refusal.value.status == 409


def test_send_is_refused_for_what_has_been_sent():
    assert str(WrongStep(87, SENT, SENDING)) == "Issue 87 has been sent already."


def test_what_does_not_rest_cannot_be_resumed():
    refusal = WrongStep(87, DRAFT, SENDING, "be resumed")

    assert str(refusal) == "Issue 87 is a draft, so it can't be resumed."
