"""What a relay does not bear: one reader, one connection more, a large issue, our reputation."""

import pytest

from newsletter.database import db, transaction
from newsletter.delivery import relays, steering
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Issue
from tests.posting import TestClock, delivery_to, send, start_issue, states, tick
from tests.smtp_server import SmtpServer, drop, say, say_and_drop


@pytest.fixture
def clock():
    return TestClock()


def failing():
    with transaction():
        return relays.failing()


def as_it_stands(issue):
    return db.session.get_one(Issue, issue.id, populate_existing=True)


@pytest.mark.parametrize("act", [drop, say_and_drop("421 4.7.0 not for this one")])
def test_a_reader_over_whom_the_relay_stumbles_holds_nobody_up_and_is_given_up(app, clock, act):
    def stumble(session):
        if "stone@example.org" in session.line:
            act(session)
        session.behave()

    issue = start_issue("stone@example.org", readers=11)
    with SmtpServer({"rcpt": stumble}) as server:
        send(issue, server.url, clock)
        assert states(issue) == {"sent": 11, "queued": 1}

        for _ in range(7):  # the pauses have to grow to their longest first
            clock.turn(days=1)
            tick(clock)
            send(issue, server.url, clock)

    assert states(issue) == {"sent": 11, "failed": 1}
    words = delivery_to("stone@example.org").answer or ""
    assert words.startswith("Gave up after 3 days. Last answer: ")


def test_a_relay_that_takes_five_connections_gets_few_more_and_never_rests(app, clock):
    def greet(session):
        with session.server.lock:
            is_one_too_many = session.server._open > 5
        if is_one_too_many:
            say_and_drop("421 4.7.0 too many connections")(session)
        session.behave()

    issue = start_issue(readers=400)
    with SmtpServer({"greeting": greet}) as server:
        send(issue, server.url, clock, connections=20)
        assert server.connections <= 5 + 20

    assert failing() == []
    assert states(issue) == {"sent": 400}


def test_an_issue_that_is_too_large_for_the_relay_waits_and_says_so(app, clock):
    issue = start_issue(readers=50)

    with SmtpServer({}, ("PIPELINING", "SIZE 1000")) as server:
        send(issue, server.url, clock)

    stopped = as_it_stands(issue)
    assert stopped.state is IssueState.PAUSED
    assert "The issue is larger than the mail relay takes" in stopped.paused_because
    assert "at most 1000 octets" in stopped.paused_because
    assert states(issue) == {"queued": 50}
    assert failing() == []


def test_an_issue_that_a_block_list_stopped_goes_on_when_it_is_resumed(app, clock):
    issue = start_issue(readers=100)
    with SmtpServer({"dot": say("554 5.7.1 you are on a block list")}) as server:
        send(issue, server.url, clock)
        assert "20 readers in a row" in as_it_stands(issue).paused_because
        failed = states(issue)["failed"]

        server.script = {}
        with transaction():
            steering.resume(issue.id, who="anna@example.org", now=clock())
        send(issue, server.url, clock)

    assert states(issue) == {"failed": failed, "sent": 100 - failed}
    assert as_it_stands(issue).paused_because is None
