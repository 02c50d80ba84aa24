"""Pause, resume, cancel, and send again to those who failed."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from newsletter import audit
from newsletter.database import db, transaction
from newsletter.delivery import steering
from newsletter.delivery.models import DeliveryState
from newsletter.delivery.resending import list_failed, resend_failed
from newsletter.delivery.start import send_now
from newsletter.issues.lifecycle import IssueState, WrongStep
from newsletter.subscribers.models import Subscriber
from tests.endings import NO_MAILBOX, as_it_is, ended_issue
from tests.factories import NOON, make_issue
from tests.posting import TestClock, delivery_to, run_together, send, start_issue, states, tick
from tests.smtp_server import SmtpServer

ANNA = "anna@example.org"
QUEUED, FAILED = DeliveryState.QUEUED, DeliveryState.FAILED


@pytest.fixture
def clock():
    clock = TestClock()
    clock.turn(minutes=1)
    return clock


def acts(issue):
    return [(entry.who, entry.what) for entry in audit.of_issue(issue.id)]


def pause(issue, **more):
    with transaction():
        return steering.pause(issue.id, who=ANNA, now=NOON, **more)


def resume(issue):
    with transaction():
        return steering.resume(issue.id, who=ANNA, now=NOON)


def cancel(issue):
    with transaction():
        return steering.cancel(issue.id, who=ANNA, now=NOON)


def resend(issue, clock):
    with transaction():
        return resend_failed(issue.id, who=ANNA, now=clock())


def test_it_says_why_it_paused_until_it_goes_on(app):
    issue = start_issue(readers=2)

    pause(issue, because="The relay refuses us: 550 5.7.1 blocked")
    paused = as_it_is(issue)
    assert (paused.state, paused.paused_because, paused.told_at) == (
        IssueState.PAUSED,
        "The relay refuses us: 550 5.7.1 blocked",
        None,
    )

    resume(issue)
    assert as_it_is(issue).state is IssueState.SENDING
    assert as_it_is(issue).paused_because is None


def test_each_act_leaves_a_line_with_who_did_it(app):
    issue = start_issue(readers=2)
    pause(issue)
    resume(issue)
    pause(issue, because="Too many refusals.")
    cancel(issue)

    assert acts(issue) == [
        ("command line", "Sending started."),
        (ANNA, "Paused."),
        (ANNA, "Resumed."),
        (ANNA, "Paused. Too many refusals."),
        (ANNA, "Cancelled."),
    ]


def test_what_is_refused_leaves_no_line(app):
    with transaction():
        issue = make_issue()

    with pytest.raises(WrongStep, match="is a draft, so it can't be resumed"):
        resume(issue)
    with pytest.raises(WrongStep, match="is a draft, so it can't be paused"):
        pause(issue)

    assert acts(issue) == []


def test_pausing_twice_is_refused_and_keeps_the_first_reason(app):
    issue = start_issue(readers=2)
    pause(issue, because="The relay refuses us.")

    with pytest.raises(WrongStep, match="is paused already"):
        pause(issue)

    assert as_it_is(issue).paused_because == "The relay refuses us."


def test_a_cancelled_issue_skips_what_still_waits(app):
    issue = start_issue(readers=3)
    pause(issue)

    cancel(issue)

    assert states(issue) == {"skipped": 3}
    with pytest.raises(WrongStep, match="was cancelled, so it can't be resumed"):
        resume(issue)


def test_those_who_failed_get_it_again_and_nobody_else_does(app, clock):
    issue = ended_issue(sent=["amal@example.org"], failed=["omar@example.org", "lena@example.org"])

    assert resend(issue, clock) == 2
    assert as_it_is(issue).state is IssueState.SENDING
    assert as_it_is(issue).completed_at is None
    assert states(issue) == {"sent": 1, "queued": 2}

    tick(clock)
    with SmtpServer() as server:
        send(issue, server.url, clock)
    assert {message.recipient for message in server.messages} == {
        "omar@example.org",
        "lena@example.org",
    }
    assert states(issue) == {"sent": 3}
    assert as_it_is(issue).state is IssueState.SENT
    assert as_it_is(issue).completed_at == clock()
    assert acts(issue)[-1] == (ANNA, "Sent again to 2 readers who had failed.")


def test_what_is_sent_again_keeps_its_message_id_and_its_date(app, clock):
    issue = start_issue("omar@example.org")
    with SmtpServer({"rcpt": lambda session: session.say("550 5.1.1 no such mailbox")}) as server:
        send(issue, server.url, clock)
    dated_at = delivery_to("omar@example.org").dated_at
    clock.turn(days=2)
    resend(issue, clock)
    tick(clock)

    with SmtpServer() as server:
        send(issue, server.url, clock)

    assert len(server.messages) == 1
    assert delivery_to("omar@example.org").dated_at == dated_at
    assert f"{dated_at:%d %b %Y %H:%M:%S}".encode() in server.messages[0].octets


def test_whoever_left_since_does_not_get_it_again(app, clock):
    issue = ended_issue(failed=["omar@example.org"])
    with transaction():
        reader = db.session.scalars(select(Subscriber)).one()
        reader.suppressed_at = NOON
    resend(issue, clock)
    tick(clock)

    with SmtpServer() as server:
        send(issue, server.url, clock)

    assert server.messages == []
    assert states(issue) == {"skipped": 1}


def test_nobody_failed_and_nothing_happens(app, clock):
    issue = ended_issue(sent=["amal@example.org"])

    assert resend(issue, clock) == 0
    assert list_failed(issue.id) == []
    assert as_it_is(issue).state is IssueState.SENT
    assert acts(issue) == [("command line", "Sending started.")]


def test_a_paused_issue_stays_paused_when_it_is_to_go_again_to_those_who_failed(app, clock):
    issue = start_issue("omar@example.org", readers=2)
    with transaction():
        steering.move(issue.id, QUEUED, FAILED, settled_at=NOON, answer="no")
    pause(issue)

    assert resend(issue, clock) == 3

    assert as_it_is(issue).state is IssueState.PAUSED
    assert states(issue) == {"queued": 3}


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_only_what_was_begun_and_not_cancelled_goes_again(app, clock, is_cancelled):
    with transaction():
        issue = make_issue()
    if is_cancelled:
        cancel(issue)

    with pytest.raises(WrongStep, match="so it can't be sent again"):
        resend(issue, clock)


def test_an_issue_that_was_sent_is_not_sent_by_send(app):
    issue = ended_issue(failed=["omar@example.org"])

    with pytest.raises(WrongStep, match="Issue 87 has been sent already"):
        send_now(issue.id, now=NOON)

    assert states(issue) == {"failed": 1}


def test_the_list_of_failures_says_whose_when_and_why(app):
    issue = ended_issue(sent=["amal@example.org"], failed=["omar@example.org"])

    (failure,) = list_failed(issue.id)

    assert failure[1:] == ("omar@example.org", NOON, NO_MAILBOX)


def test_an_issue_is_not_called_sent_while_somebody_sends_it_again(app, clock):
    """However both fall together, whoever was queued again is not forgotten."""
    issue = ended_issue(failed=[f"reader{n}@readers.example" for n in range(5)])
    with transaction():
        steering.queue_again(issue.id, FAILED, now=clock())
        steering.move(issue.id, QUEUED, FAILED)

    def complete():
        with app.app_context(), transaction():
            steering.complete(issue.id, now=clock() + timedelta(minutes=1))

    def again():
        with app.app_context(), transaction():
            steering.queue_again(issue.id, FAILED, now=clock())

    run_together(*[complete] * 3, again, *[complete] * 3)

    assert states(issue) == {"queued": 5}
    assert as_it_is(issue).state is IssueState.SENDING
