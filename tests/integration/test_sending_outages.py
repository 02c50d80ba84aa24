"""Relays that are down, refuse us, or lose the line: nobody is lost, and nobody is burnt."""

import time
from dataclasses import replace
from threading import Event, Timer

import psycopg
import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import InternalError

from newsletter.database import db, transaction
from newsletter.delivery.models import Delivery, RelayState
from newsletter.delivery.patience import patiently
from newsletter.delivery.progress import progress
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Issue
from newsletter.subscribers.models import Bounce, BounceKind, Subscriber, SubscriberState
from tests.factories import NOON
from tests.mail_server import free_port
from tests.posting import (
    SHORT,
    TestClock,
    delivery_to,
    fleet_to,
    run_together,
    send,
    send_by,
    start_issue,
    states,
    tick,
)
from tests.smtp_server import SmtpServer, behave, drop, say, say_and_drop


@pytest.fixture
def clock():
    return TestClock()


def state_of(issue):
    return progress(issue.id).state


def attempts():
    return sorted(db.session.scalars(select(Delivery.attempts)))


def test_a_relay_that_is_down_holds_everybody_up_and_burns_nobodys_attempt(app, clock):
    issue = start_issue(readers=12)
    port = free_port()

    send(issue, f"smtp://127.0.0.1:{port}", clock)

    assert states(issue) == {"queued": 12}
    assert set(attempts()) == {0}
    assert state_of(issue) is IssueState.SENDING

    with SmtpServer() as server:
        send(issue, server.url, clock)
        assert len({message.recipient for message in server.messages}) == 12
    assert states(issue) == {"sent": 12}


def test_a_relay_that_failed_rests_for_all_and_is_met_by_one_message_first(app, clock, caplog):
    issue = start_issue(readers=12)
    refuse = say_and_drop("421 4.3.2 too many connections")

    with SmtpServer({"greeting": [refuse] * 3}) as server:
        for _ in range(5):
            send(issue, server.url, clock)
        assert server.connections == 3
        said = [record.getMessage() for record in caplog.records if "left alone" in record.message]
        assert len(said) == 1
        assert "421 4.3.2" in said[0]

        clock.turn(seconds=11)
        send(issue, server.url, clock)
        assert len(server.messages) == 12
        assert server.most_at_once <= 4

    assert states(issue) == {"sent": 12}
    assert db.session.scalar(select(RelayState.failures)) == 0


def test_a_relay_that_keeps_failing_rests_longer_each_time_and_costs_one_try_each(app, clock):
    issue = start_issue(readers=12)
    with SmtpServer({"greeting": say_and_drop("421 4.3.2 not today")}) as server:
        for seconds, connections in [(0, 3), (9, 3), (2, 4), (19, 4), (2, 5), (39, 5), (2, 6)]:
            clock.turn(seconds=seconds)
            send(issue, server.url, clock)
            assert server.connections == connections

    assert set(attempts()) == {0}


def test_senders_that_fail_at_once_let_the_relay_rest_once(app, clock, caplog):
    issue = start_issue(readers=12)

    def work():
        with app.app_context():
            send(issue, server.url, clock)

    with SmtpServer({"greeting": say_and_drop("421 4.3.2 too many connections")}) as server:
        run_together(*[work] * 3)

    said = [record for record in caplog.records if "left alone" in record.getMessage()]
    assert len(said) == 1
    assert db.session.scalar(select(RelayState.failures)) == 1


@pytest.mark.parametrize(
    "refusal", ["550 5.7.1 we do not relay for you", "553 5.1.8 no such sender"]
)
def test_a_relay_that_refuses_our_address_pauses_the_issue_and_fails_nobody(app, clock, refusal):
    issue = start_issue(readers=12)

    with SmtpServer({"mail": say(refusal)}) as server:
        send(issue, server.url, clock)
        assert server.messages == []

    assert states(issue) == {"queued": 12}
    assert set(attempts()) == {0}
    paused = db.session.get_one(Issue, issue.id, populate_existing=True)
    assert paused.state is IssueState.PAUSED
    assert refusal in (paused.paused_because or "")


@pytest.mark.parametrize("stage", ["rcpt", "data", "dot"])
def test_the_same_policy_refusal_for_twenty_in_a_row_pauses_the_issue(app, clock, stage):
    issue = start_issue(readers=80)

    with SmtpServer({stage: say("554 5.7.1 you are on our list")}) as server:
        send(issue, server.url, clock)

    failed = states(issue)["failed"]
    assert 20 <= failed <= 20 + 2 * 4, "no more than was on the wire"
    assert states(issue) == {"failed": failed, "queued": 80 - failed}
    assert state_of(issue) is IssueState.PAUSED


def test_a_relay_that_loses_the_line_after_each_dot_costs_few_doubts_and_rests(app, clock):
    issue = start_issue(readers=20)

    with SmtpServer({"dot": drop}) as server:
        send(issue, server.url, clock)
        doubts = states(issue)["in_doubt"]
        assert 1 <= doubts <= 3
        send(issue, server.url, clock)
        assert states(issue) == {"in_doubt": doubts, "queued": 20 - doubts}

    with SmtpServer() as well:
        send(issue, well.url, clock)
        assert len({message.recipient for message in well.messages}) == 20 - doubts
    assert states(issue) == {"in_doubt": doubts, "sent": 20 - doubts}
    assert state_of(issue) is IssueState.SENT


def test_a_line_lost_before_the_dot_is_tried_again(app, clock):
    issue = start_issue("amal@example.org")

    with SmtpServer({"data": drop}) as server:
        send(issue, server.url, clock)

    assert states(issue) == {"queued": 1}


def test_a_line_lost_after_the_dot_is_in_doubt_at_once_and_never_sent_again(
    app, mail_server, clock
):
    issue = start_issue("amal@example.org")
    with SmtpServer({"dot": drop}) as server:
        send(issue, server.url, clock)
    assert states(issue) == {"in_doubt": 1}
    assert delivery_to("amal@example.org").answer
    assert state_of(issue) is IssueState.SENT

    for _ in range(5):
        clock.turn(hours=1)
        tick(clock)
        send(issue, mail_server.url, clock)

    assert mail_server.envelopes == []
    assert states(issue) == {"in_doubt": 1}


def test_a_recipient_refused_for_good_is_kept_as_a_bounce_with_its_text(app, clock):
    issue = start_issue("gone@example.org", "full@example.org", "fine@example.org")
    words = {
        "gone@example.org": "550 5.1.1 no such mailbox",
        "full@example.org": "552 5.2.2 over quota",
    }

    def refuse(session):
        recipient = session.line.partition("<")[2].partition(">")[0]
        if recipient in words:
            session.say(words[recipient])
        else:
            session.behave()

    with SmtpServer({"rcpt": refuse}) as server:
        send(issue, server.url, clock)

    assert states(issue) == {"failed": 2, "sent": 1}
    for address, kind in [("gone@", BounceKind.HARD), ("full@", BounceKind.SOFT)]:
        delivery = delivery_to(f"{address}example.org")
        bounce = db.session.scalars(select(Bounce).where(Bounce.delivery_id == delivery.id)).one()
        assert bounce.kind is kind
        assert bounce.text == delivery.answer == words[f"{address}example.org"]
        assert delivery.marked_at is None


def test_one_reader_whose_mail_server_is_slow_holds_nobody_up(app, clock):
    issue = start_issue(readers=40)
    others_are_done = Event()

    def wait_for_others(session):
        if session.recipient == "reader-5@example.org":
            others_are_done.wait(20)
        session.behave()
        if len(server.messages) == 38:  # one may stand in line behind it
            others_are_done.set()

    with SmtpServer({"dot": wait_for_others}) as server:
        send(issue, server.url, clock)
        late = [message.recipient for message in server.messages[-2:]]
        assert "reader-5@example.org" in late

    assert states(issue) == {"sent": 40}


def test_an_answer_that_is_late_holds_up_nobody_else_when_the_half_minute_is_over(app, clock):
    issue = start_issue(readers=40)
    others_are_done = Event()

    def wait_for_others(session):
        if session.recipient == "reader-5@example.org":
            time.sleep(0.5)  # longer than `late`
            clock.turn(seconds=31)
            assert others_are_done.wait(20)
        session.behave()
        if len(server.messages) == 38:  # one may stand in line behind it
            others_are_done.set()

    def take_time(session):
        time.sleep(0.1)
        session.behave()

    with (
        SmtpServer({"body": take_time, "dot": wait_for_others}) as server,
        fleet_to(server.url, limits=replace(SHORT, late=0.2, after_dot=30)) as fleet,
    ):
        send_by(fleet, issue, clock)

    assert states(issue) == {"sent": 40}


def test_a_relay_that_falls_silent_is_left_for_the_second_and_is_heard_out(app, clock, caplog):
    issue = start_issue(readers=60)
    second_is_done = Event()

    def fall_silent(session):
        if len(first.messages) >= 10:
            second_is_done.wait(20)
        session.behave()

    def note_the_end(session):
        session.behave()
        if len(second.messages) >= 40:
            second_is_done.set()

    with (
        SmtpServer({"dot": fall_silent}) as first,
        SmtpServer({"dot": note_the_end}) as second,
        fleet_to(first.url, second.url, limits=replace(SHORT, silence=0.5, after_dot=30)) as fleet,
    ):
        send_by(fleet, issue, clock)
        assert second_is_done.is_set()
        got = [message.recipient for message in [*first.messages, *second.messages]]
        assert len(got) == len(set(got)) == 60

    assert states(issue) == {"sent": 60}
    assert "answers nothing that it was given" in caplog.text


def test_the_second_relay_takes_over_and_the_first_is_taken_again_when_it_is_well(app, clock):
    issue = start_issue(readers=1200)
    refuse = say_and_drop("421 4.3.2 down for maintenance")
    with (
        SmtpServer({"greeting": [refuse] * 3}) as first,
        SmtpServer() as second,
        fleet_to(first.url, second.url) as fleet,
    ):

        def be_well_soon(session):
            if len(second.messages) == 100:
                clock.turn(seconds=11)
            session.behave()

        second.script = {"dot": be_well_soon}
        send_by(fleet, issue, clock)

        assert len(second.messages) >= 100
        assert len(first.messages) >= 500
        got = [message.recipient for message in [*first.messages, *second.messages]]
        assert len(got) == len(set(got)) == 1200
    assert states(issue) == {"sent": 1200}


def test_when_all_relays_rest_everybody_waits_and_the_first_that_is_well_goes_on(app, clock):
    issue = start_issue(readers=10)
    refuse = say_and_drop("421 4.3.2 down for maintenance")
    with (
        SmtpServer({"greeting": refuse}) as first,
        SmtpServer({"greeting": [refuse] * 3}) as second,
        fleet_to(first.url, second.url) as fleet,
    ):
        send_by(fleet, issue, clock)
        assert states(issue) == {"queued": 10}

        clock.turn(seconds=11)
        send_by(fleet, issue, clock)
        assert len(second.messages) == 10
    assert states(issue) == {"sent": 10}


def test_who_left_while_the_relay_waited_for_the_body_gets_nothing(app, clock):
    """The mark is refused after 354: the connection is closed and nothing was sent."""
    issue = start_issue(readers=6)

    def leave(session):
        if session.recipient == "reader-2@example.org":
            with app.app_context(), transaction():
                db.session.execute(
                    update(Subscriber)
                    .where(Subscriber.address == "reader-2@example.org")
                    .values(state=SubscriberState.UNSUBSCRIBED, unsubscribed_at=NOON)
                )
        session.behave()

    with SmtpServer({"data": leave}) as server:
        send(issue, server.url, clock, connections=1)
        assert "reader-2@example.org" not in {m.recipient for m in server.messages}

    assert states(issue) == {"sent": 5, "skipped": 1}


def test_who_lost_the_lease_while_the_relay_waited_for_bodies_sends_none_of_them(app, clock):
    issue = start_issue(readers=6)

    def lose_the_lease(session):
        clock.turn(seconds=31)
        with app.app_context():
            tick(clock)
        session.behave()

    with SmtpServer({"data": [lose_the_lease, behave, behave]}) as server:
        send(issue, server.url, clock, connections=1)
        assert server.messages == []
        assert states(issue) == {"queued": 6}

        send(issue, server.url, clock, connections=1)
        assert len(server.messages) == 6
    assert states(issue) == {"sent": 6}


def test_an_answer_that_comes_after_the_lease_was_lost_changes_nothing(app, clock):
    """What the clock called in doubt stays so, and is not sent again by itself."""
    issue = start_issue(readers=3)

    def answer_late(session):
        clock.turn(seconds=31)
        with app.app_context():
            tick(clock)
        session.behave()

    with SmtpServer({"dot": [answer_late, behave, behave]}) as server:
        send(issue, server.url, clock, connections=1)
        assert len(server.messages) == 1
        assert states(issue) == {"in_doubt": 1, "queued": 2}

        for _ in range(2):
            send(issue, server.url, clock, connections=1)
        assert len({message.recipient for message in server.messages}) == 3
    assert states(issue) == {"in_doubt": 1, "sent": 2}


@pytest.fixture
def reads_only(migrated_postgres):
    """Let PostgreSQL only read, as a standby, or write again."""

    def configure(value):
        with psycopg.connect(migrated_postgres, autocommit=True) as connection:
            connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
            connection.execute("SELECT pg_reload_conf()")

    yield configure
    configure("off")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_database_that_only_reads_for_a_while_is_waited_for(app, clock, reads_only):
    """As after a failover, until whoever writes is found again."""
    issue = start_issue(readers=40)
    writes_again = Timer(1, reads_only, ["off"])

    def become_a_standby(session):
        if session.recipient == "reader-10@example.org":
            reads_only("on")
            writes_again.start()
        session.behave()

    with SmtpServer({"dot": become_a_standby}) as server:
        send(issue, server.url, clock)
        writes_again.join()
        assert len(server.messages) == 40

    assert states(issue) == {"sent": 40}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_connection_to_a_standby_is_left_for_another(app):
    tried = []

    def write():
        tried.append(db.session.scalar(text("SELECT pg_backend_pid()")))
        db.session.execute(update(Subscriber).values(state=SubscriberState.PENDING))

    with transaction():
        db.session.execute(text("SET SESSION default_transaction_read_only = on"))
    patiently(write)

    assert len(tried) == len(set(tried)) == 2


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_transaction_that_was_ended_because_we_froze_is_done_again(app):
    tried = []

    def write():
        tried.append(1)
        if len(tried) == 1:
            db.session.execute(text("SET LOCAL idle_in_transaction_session_timeout = '100ms'"))
            time.sleep(0.5)
        db.session.execute(update(Subscriber).values(state=SubscriberState.PENDING))

    patiently(write)

    assert len(tried) == 2


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_any_other_internal_error_is_no_outage(app):
    tried = []

    def fail():
        tried.append(1)
        db.session.execute(text("DO $$ BEGIN RAISE SQLSTATE '25001'; END $$"))

    with pytest.raises(InternalError):
        patiently(fail)

    assert tried == [1]
