"""Deliveries in doubt: listed, and settled by an editor or by the operator's policy."""

import pytest
from sqlalchemy import event, select, update

from newsletter import audit
from newsletter.database import db, transaction
from newsletter.delivery import doubts, ledger, steering
from newsletter.delivery.doubts import (
    Decision,
    list_doubts,
    settle,
    settle_by_policy,
    will_be_resent,
)
from newsletter.delivery.models import Delivery, DeliveryState
from newsletter.issues.lifecycle import IssueState, WrongStep
from newsletter.issues.models import Issue
from newsletter.settings import DoubtsPolicy
from tests.endings import LINE_LOST, as_it_is, ended_issue
from tests.factories import NOON
from tests.posting import TestClock, delivery_to, run_together, send, start_issue, states, tick
from tests.smtp_server import SmtpServer, drop

ANNA = "anna@example.org"


@pytest.fixture
def clock():
    clock = TestClock()
    clock.turn(minutes=1)
    return clock


@pytest.fixture
def resend_policy(app, settings):
    """The operator wants doubts to be sent again."""
    app.extensions["settings"] = settings.model_copy(update={"doubts": DoubtsPolicy.RESEND})


def acts(issue):
    return [(entry.who, entry.what) for entry in audit.of_issue(issue.id)][1:]


def decide(issue, as_, clock, ids=None):
    with transaction():
        return settle(issue.id, ids, as_, who=ANNA, now=clock())


def by_policy(clock):
    with transaction():
        return settle_by_policy(now=clock())


def test_the_list_says_whose_since_when_and_what_happened(app):
    issue = ended_issue(sent=["amal@example.org"], in_doubt=["omar@example.org"])

    (doubt,) = list_doubts(issue.id)

    assert doubt[1:] == ("omar@example.org", NOON, LINE_LOST)
    assert doubt.id == delivery_to("omar@example.org").id


def test_a_doubt_taken_as_delivered_says_who_decided_and_what_had_happened(app, clock):
    issue = ended_issue(in_doubt=["omar@example.org", "lena@example.org"])

    assert decide(issue, Decision.DELIVERED, clock) == 2

    assert states(issue) == {"sent": 2}
    assert as_it_is(issue).state is IssueState.SENT
    assert delivery_to("omar@example.org").answer == f"Taken as delivered by {ANNA}. {LINE_LOST}"
    assert delivery_to("omar@example.org").settled_at == clock()
    assert acts(issue) == [(ANNA, "2 deliveries in doubt, taken as delivered.")]


def test_a_doubt_may_be_settled_alone_and_the_line_names_it(app, clock):
    issue = ended_issue(in_doubt=["omar@example.org", "lena@example.org"])
    omars = delivery_to("omar@example.org").id

    assert decide(issue, Decision.DELIVERED, clock, [omars]) == 1

    assert states(issue) == {"sent": 1, "in_doubt": 1}
    line = audit.of_issue(issue.id)[-1]
    assert (line.what, line.delivery_id) == ("1 delivery in doubt, taken as delivered.", omars)


def test_a_doubt_is_sent_again_with_the_message_id_and_date_it_had(app, clock):
    issue = start_issue("omar@example.org", "lena@example.org")
    kept = []

    def take_and_drop(session):
        kept.append(session.octets)
        drop(session)

    with SmtpServer({"dot": take_and_drop}) as server:
        send(issue, server.url, clock, connections=1)
        send(issue, server.url, clock, connections=1)
    doubtful = states(issue)["in_doubt"]
    assert doubtful == len(kept) > 0

    clock.turn(days=1)
    assert decide(issue, Decision.AGAIN, clock) == doubtful
    tick(clock)
    with SmtpServer() as server:
        send(issue, server.url, clock)

    assert set(kept) <= {message.octets for message in server.messages}
    assert states(issue) == {"sent": 2}
    assert as_it_is(issue).state is IssueState.SENT


def test_sending_a_doubt_again_reopens_an_issue_that_was_sent(app, clock):
    issue = ended_issue(sent=["amal@example.org"], in_doubt=["omar@example.org"])

    decide(issue, Decision.AGAIN, clock)

    assert as_it_is(issue).state is IssueState.SENDING
    assert as_it_is(issue).completed_at is None
    assert states(issue) == {"sent": 1, "queued": 1}
    assert acts(issue) == [(ANNA, "1 delivery in doubt, sent again.")]


def test_of_a_paused_issue_it_waits_until_it_is_resumed(app, clock):
    issue = ended_issue(in_doubt=["omar@example.org"])
    decide(issue, Decision.AGAIN, clock)
    with transaction():
        steering.move(issue.id, DeliveryState.QUEUED, DeliveryState.IN_DOUBT)
        steering.pause(issue.id, who=ANNA, now=clock())

    assert decide(issue, Decision.AGAIN, clock) == 1

    tick(clock)
    assert as_it_is(issue).state is IssueState.PAUSED
    assert states(issue) == {"queued": 1}


def test_of_a_cancelled_issue_nothing_goes_again_but_it_may_have_been_delivered(app, clock):
    issue = ended_issue(in_doubt=["omar@example.org"])
    decide(issue, Decision.AGAIN, clock)
    with transaction():
        steering.move(issue.id, DeliveryState.QUEUED, DeliveryState.IN_DOUBT)
        steering.cancel(issue.id, who=ANNA, now=clock())

    with pytest.raises(WrongStep, match="was cancelled, so it can't be sent again"):
        decide(issue, Decision.AGAIN, clock)
    assert decide(issue, Decision.DELIVERED, clock) == 1

    assert states(issue) == {"sent": 1}
    assert as_it_is(issue).state is IssueState.CANCELLED


@pytest.mark.parametrize("as_", Decision)
def test_only_what_is_in_doubt_now_is_settled(app, clock, as_):
    """An answer may have come late, or somebody was quicker."""
    issue = ended_issue(sent=["amal@example.org"], failed=["omar@example.org"])
    ids = list(db.session.scalars(select(Delivery.id)))

    assert decide(issue, as_, clock, ids) == 0

    assert states(issue) == {"sent": 1, "failed": 1}
    assert as_it_is(issue).state is IssueState.SENT
    assert acts(issue) == []


def test_a_delivery_of_another_issue_is_left_alone(app, clock):
    ended_issue(in_doubt=["omar@example.org"])
    with transaction():
        other = Issue(number=88, date=NOON.date(), created_at=NOON, revised_at=NOON)
        other.state, other.sending_started_at = IssueState.SENDING, NOON
        db.session.add(other)

    assert decide(other, Decision.AGAIN, clock, [delivery_to("omar@example.org").id]) == 0


def test_two_editors_settle_a_doubt_once(app, clock):
    issue = ended_issue(in_doubt=[f"reader{n}@readers.example" for n in range(10)])
    settled = []

    def press(as_):
        def job():
            with app.app_context(), transaction():
                settled.append(settle(issue.id, None, as_, who=ANNA, now=clock()))

        return job

    run_together(press(Decision.DELIVERED), press(Decision.AGAIN), press(Decision.DELIVERED))

    assert sorted(settled) == [0, 0, 10]
    assert sum(states(issue).values()) == 10
    assert len(acts(issue)) == 1


def test_doubts_wait_for_a_person_unless_the_operator_says_otherwise(app, clock):
    issue = ended_issue(in_doubt=["omar@example.org"])

    assert by_policy(clock) == 0

    assert states(issue) == {"in_doubt": 1}
    assert acts(issue) == []


def test_by_policy_they_are_sent_again_and_it_is_written_down(app, clock, resend_policy):
    issue = ended_issue(sent=["amal@example.org"], in_doubt=["omar@example.org"])

    assert by_policy(clock) == 1

    assert states(issue) == {"sent": 1, "queued": 1}
    assert as_it_is(issue).state is IssueState.SENDING
    assert acts(issue) == [("policy", "1 delivery in doubt, sent again.")]


def test_the_policy_gives_up_on_a_line_that_always_breaks(app, clock, resend_policy):
    issue = start_issue("omar@example.org")
    with SmtpServer({"dot": drop}) as server:
        for _ in range(doubts.MOST_ATTEMPTS + 2):
            send(issue, server.url, clock)
            clock.turn(hours=2)
            tick(clock)
            by_policy(clock)
            tick(clock)
        assert server.commands.count("DATA") == doubts.MOST_ATTEMPTS

    assert states(issue) == {"in_doubt": 1}
    assert decide(issue, Decision.AGAIN, clock) == 1


def test_the_policy_leaves_a_cancelled_issue_alone(app, clock, resend_policy):
    issue = start_issue("omar@example.org")
    with transaction():
        steering.move(issue.id, DeliveryState.QUEUED, DeliveryState.IN_DOUBT, marked_at=NOON)
        steering.cancel(issue.id, who=ANNA, now=clock())

    assert by_policy(clock) == 0
    assert states(issue) == {"in_doubt": 1}


def test_an_issue_is_not_over_while_the_policy_will_send_doubts_again(app, clock, resend_policy):
    issue = ended_issue(sent=["amal@example.org"], in_doubt=["omar@example.org"])
    assert will_be_resent(issue.id)

    with transaction():
        db.session.execute(update(Delivery).values(attempts=doubts.MOST_ATTEMPTS))
    assert not will_be_resent(issue.id)


def test_where_a_person_decides_an_issue_with_doubts_is_over(app):
    issue = ended_issue(in_doubt=["omar@example.org"])

    assert not will_be_resent(issue.id)


def test_without_doubts_no_delivery_is_looked_at(app, clock, resend_policy):
    issue = ended_issue(sent=["amal@example.org"], failed=["omar@example.org"])
    statements = []

    def listen(_connection, _cursor, statement, *_):
        statements.append(statement)

    event.listen(db.engine, "before_cursor_execute", listen)
    by_policy(clock)
    assert list_doubts(issue.id) == []
    event.remove(db.engine, "before_cursor_execute", listen)

    assert statements
    assert not [statement for statement in statements if "delivery" in statement]


def test_what_a_killed_process_left_is_listed_with_that_reason(app, clock):
    issue = start_issue("omar@example.org")
    with transaction():
        steering.move(
            issue.id,
            DeliveryState.QUEUED,
            DeliveryState.IN_DOUBT,
            marked_at=NOON,
            answer=ledger.DIED,
        )

    assert [doubt.answer for doubt in list_doubts(issue.id)] == [ledger.DIED]
