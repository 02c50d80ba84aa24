"""From a delivery to an answer: everybody exactly once, whatever the relay says."""

from datetime import timedelta
from email import message_from_bytes, policy
from threading import Event

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from newsletter.database import db, transaction
from newsletter.delivery import sending, slots, statements, steering
from newsletter.delivery.heartbeat import heartbeat
from newsletter.delivery.models import Batch, SenderSlot
from newsletter.delivery.progress import progress
from newsletter.delivery.splice import delivery_keys
from newsletter.issues.lifecycle import IssueState, WrongStep
from newsletter.links import Purpose
from newsletter.mail.identifiers import read_verp_sender
from newsletter.pages import links
from newsletter.subscribers.models import Subscriber, SubscriberState
from tests.factories import NOON
from tests.mail_server import PATIENCE
from tests.posting import (
    TestClock,
    delivery_to,
    fleet_to,
    run_together,
    send,
    start_issue,
    states,
    take_slot,
    tick,
)
from tests.smtp_server import SmtpServer, say


@pytest.fixture
def clock():
    return TestClock()


def recipients(server):
    """Who got a message, once for each message."""
    return sorted(envelope.rcpt_tos[0] for envelope in server.envelopes)


def state_of(issue):
    return progress(issue.id).state


def test_everybody_gets_exactly_one_message_and_the_issue_is_sent(app, mail_server, clock):
    issue = start_issue(readers=30)

    send(issue, mail_server.url, clock)

    assert recipients(mail_server) == sorted(f"reader-{number}@example.org" for number in range(30))
    assert states(issue) == {"sent": 30}
    assert state_of(issue) is IssueState.SENT


def test_each_message_carries_its_readers_own_links_and_senders_address(
    app, mail_server, clock, settings
):
    issue = start_issue("amal@example.org", "omar@example.org")

    send(issue, mail_server.url, clock)

    for address in ("amal@example.org", "omar@example.org"):
        delivery = delivery_to(address)
        [envelope] = [e for e in mail_server.envelopes if e.rcpt_tos == [address]]
        message = message_from_bytes(envelope.content, policy=policy.default)
        token = links().token(Purpose.UNSUBSCRIBE, delivery.subscriber_id, issue.id)
        assert message["To"] == address
        assert message["Date"].datetime == NOON
        assert message["List-Unsubscribe"] == f"<{settings.public_url}/unsubscribe/{token}>"
        text = message.get_body(("plain",))
        assert text
        assert f"{settings.public_url}/unsubscribe/{token}" in text.get_content().splitlines()
        local_part, _, domain = envelope.mail_from.partition("@")
        assert read_verp_sender(delivery_keys(settings), local_part) == delivery.id
        assert domain == settings.bounce_domain
        assert not message.defects


def test_two_workers_at_once_send_nobody_twice(app, mail_server, clock):
    issue = start_issue(readers=1200)

    def work():
        with app.app_context():
            send(issue, mail_server.url, clock, connections=10)

    run_together(work, work)

    assert len(recipients(mail_server)) == len(set(recipients(mail_server))) == 1200
    assert states(issue) == {"sent": 1200}
    assert state_of(issue) is IssueState.SENT


def test_a_repeated_task_sends_nothing_more(app, mail_server, clock):
    issue = start_issue(readers=5)

    for _ in range(3):
        send(issue, mail_server.url, clock)

    assert len(recipients(mail_server)) == 5


def test_a_task_without_a_free_slot_ends_at_once(app, mail_server, clock, settings):
    issue = start_issue(readers=5)
    with transaction():
        for number in range(settings.senders_per_issue):
            take_slot(issue, f"somebody else {number}", clock)

    send(issue, mail_server.url, clock)

    assert recipients(mail_server) == []


def test_the_slot_of_a_dead_process_is_taken_after_its_lease(app, clock):
    issue = start_issue(readers=1)
    with transaction():
        first = take_slot(issue, "dead", clock)
    clock.turn(seconds=31)
    with transaction():
        second = take_slot(issue, "alive", clock)

    assert first.number == second.number
    with transaction():
        slots.leave_slot(first)
    holder = select(SenderSlot.holder).where(SenderSlot.slot == second.number)
    assert db.session.scalar(holder) == "alive"


def test_somebody_who_leaves_after_fan_out_gets_nothing(app, mail_server, clock):
    issue = start_issue(
        "stays@example.org", "leaves@example.org", "suppressed@example.org", "pauses@example.org"
    )
    with transaction():
        change = update(Subscriber).execution_options(synchronize_session=False)
        db.session.execute(
            change.where(Subscriber.address == "leaves@example.org").values(
                state=SubscriberState.UNSUBSCRIBED, unsubscribed_at=NOON
            )
        )
        db.session.execute(
            change.where(Subscriber.address == "suppressed@example.org").values(suppressed_at=NOON)
        )
        db.session.execute(
            change.where(Subscriber.address == "pauses@example.org").values(
                paused_until=clock.now + timedelta(days=7)
            )
        )
        db.session.execute(
            change.where(Subscriber.address == "stays@example.org").values(paused_until=NOON)
        )

    send(issue, mail_server.url, clock)

    assert recipients(mail_server) == ["stays@example.org"]
    assert states(issue) == {"sent": 1, "skipped": 3}
    assert delivery_to("leaves@example.org").answer == statements.LEFT
    assert delivery_to("pauses@example.org").answer == statements.PAUSED
    assert delivery_to("suppressed@example.org").answer == statements.SUPPRESSED
    assert state_of(issue) is IssueState.SENT


def test_who_is_erased_between_two_tries_is_skipped(app, mail_server, clock):
    issue = start_issue("stays@example.org", "goes@example.org")
    with transaction():
        gone = db.session.scalars(
            select(Subscriber).where(Subscriber.address == "goes@example.org")
        ).one()
        gone.state, gone.address, gone.address_key = SubscriberState.ERASED, "", None

    send(issue, mail_server.url, clock)

    assert recipients(mail_server) == ["stays@example.org"]
    assert states(issue) == {"sent": 1, "skipped": 1}
    assert state_of(issue) is IssueState.SENT


def test_a_refusal_for_good_fails_with_its_words(app, clock):
    issue = start_issue("nobody@example.org")

    with SmtpServer({"rcpt": say("550 5.1.1 no such user")}) as server:
        send(issue, server.url, clock)

    assert states(issue) == {"failed": 1}
    assert delivery_to("nobody@example.org").answer == "550 5.1.1 no such user"
    assert state_of(issue) is IssueState.SENT


def test_a_busy_mail_server_is_asked_again_a_minute_later_for_the_same_message(
    app, mail_server, clock
):
    issue = start_issue("amal@example.org")
    with SmtpServer({"dot": say("451 4.3.0 try later")}) as server:
        send(issue, server.url, clock)
    waits = delivery_to("amal@example.org")
    assert states(issue) == {"queued": 1}
    assert waits.due_at
    assert 60 <= (waits.due_at - NOON).total_seconds() <= 66
    assert waits.answer == "451 4.3.0 try later"

    clock.turn(seconds=59)
    tick(clock)
    send(issue, mail_server.url, clock)
    assert recipients(mail_server) == []

    clock.turn(seconds=10)
    tick(clock)
    send(issue, mail_server.url, clock)
    [message] = mail_server.messages
    assert message["Date"].datetime == NOON
    assert states(issue) == {"sent": 1}
    assert delivery_to("amal@example.org").attempts == 2
    assert state_of(issue) is IssueState.SENT


def test_an_issue_is_not_sent_as_long_as_somebody_waits_for_another_try(app, clock):
    issue = start_issue("amal@example.org")
    with SmtpServer({"rcpt": say("450 4.2.0 greylisted")}) as server:
        send(issue, server.url, clock)

    tick(clock)

    assert state_of(issue) is IssueState.SENDING


def test_after_three_days_of_not_now_a_delivery_fails_with_the_last_words(app, clock):
    issue = start_issue("amal@example.org")
    with SmtpServer({"rcpt": say("450 4.2.0 greylisted for ever")}) as server:
        for _ in range(100):
            send(issue, server.url, clock)
            clock.turn(hours=1, minutes=7)
            tick(clock)
            if state_of(issue) is IssueState.SENT:
                break

    assert states(issue) == {"failed": 1}
    assert delivery_to("amal@example.org").answer == (
        "Gave up after 3 days. Last answer: 450 4.2.0 greylisted for ever"
    )
    assert timedelta(days=3) <= clock.now - NOON <= timedelta(days=3, hours=3)


def test_one_reader_whose_mail_is_refused_holds_nobody_up(app, clock):
    def refuse_one(session):
        if session.recipient == "reader-2@example.org":
            session.say("554 5.7.1 not for this mailbox")
        else:
            session.behave()

    issue = start_issue(readers=12)
    with SmtpServer({"dot": refuse_one}) as server:
        send(issue, server.url, clock)

    assert states(issue) == {"sent": 11, "failed": 1}


def test_no_more_than_a_group_leaves_after_a_pause_and_the_rest_after_it(app, clock):
    issue = start_issue(readers=12)

    def pause(session):
        if not paused.is_set():
            paused.set()
            with app.app_context(), transaction():
                steering.pause(issue.id, who="anna@example.org", now=clock())
        session.behave()  # answered only after it: the next mark must see it

    paused = Event()
    with SmtpServer({"dot": pause}) as server:
        send(issue, server.url, clock)
        left = len(server.messages)
        assert left <= 4, "more than the connections had"
        assert states(issue) == {"sent": left, "queued": 12 - left}
        assert state_of(issue) is IssueState.PAUSED
        send(issue, server.url, clock)
        assert len(server.messages) == left

        with transaction():
            steering.resume(issue.id, who="anna@example.org", now=clock())
        send(issue, server.url, clock)
        assert len({message.recipient for message in server.messages}) == 12
    assert states(issue) == {"sent": 12}


def test_after_a_cancellation_the_rest_is_skipped_with_the_reason(app, clock):
    issue = start_issue(readers=12)

    def cancel(session):
        if not cancelled.is_set():
            cancelled.set()
            with app.app_context(), transaction():
                steering.cancel(issue.id, who="anna@example.org", now=clock())
        session.behave()  # answered only after it: the next mark must see it

    cancelled = Event()
    with SmtpServer({"dot": cancel}) as server:
        send(issue, server.url, clock)
        left = len(server.messages)

    assert left <= 4, "more than the connections had"
    assert states(issue) == {"sent": left, "skipped": 12 - left}
    assert state_of(issue) is IssueState.CANCELLED
    with pytest.raises(WrongStep), transaction():
        steering.resume(issue.id, who="anna@example.org", now=clock())


def test_what_comes_back_after_a_cancellation_is_skipped_by_the_clock(app, clock):
    issue = start_issue("amal@example.org")

    def cancel(session):
        with app.app_context(), transaction():
            steering.cancel(issue.id, who="anna@example.org", now=clock())
        session.say("451 4.3.0 try later")

    with SmtpServer({"dot": cancel}) as server:
        send(issue, server.url, clock)
    assert states(issue) == {"queued": 1}

    tick(clock)

    assert states(issue) == {"skipped": 1}


def test_a_task_ends_after_half_a_minute_and_the_next_one_goes_on(app, clock):
    issue = start_issue(readers=12)

    def take_ten_seconds(session):
        session.behave()
        clock.turn(seconds=10)

    with SmtpServer({"dot": take_ten_seconds}) as server:
        send(issue, server.url, clock, connections=1)
        first = states(issue)["sent"]
        assert 3 <= first <= 4, "the one whose body waited may still go"

        send(issue, server.url, clock, connections=1)
        assert first + 3 <= states(issue)["sent"] <= first + 4
        for _ in range(2):
            send(issue, server.url, clock, connections=1)
    assert states(issue) == {"sent": 12}


def test_an_address_that_fits_into_no_mail_fails_alone(app, mail_server, clock):
    issue = start_issue("good@example.org", "b\u00e4\u200bd@example.org")

    send(issue, mail_server.url, clock)

    assert recipients(mail_server) == ["good@example.org"]
    assert states(issue) == {"sent": 1, "failed": 1}


def test_a_heart_beats_while_the_relay_thinks_and_survives_a_database_that_does_not_answer(app):
    beats = []
    has_beaten = Event()

    def beat():
        beats.append(True)
        if len(beats) == 1:
            raise OperationalError("a statement", {}, Exception("gone away"))
        if len(beats) >= 3:
            has_beaten.set()

    with heartbeat(beat, seconds=0.01):
        assert has_beaten.wait(PATIENCE)

    so_far = len(beats)
    assert not Event().wait(0.1)
    assert len(beats) == so_far


def test_a_lease_is_renewed_by_the_process_that_sends(app, clock):
    issue = start_issue(readers=4)

    def long_silence(session):
        clock.turn(seconds=25)
        with app.app_context(), transaction():
            sender.beat()
        clock.turn(seconds=25)
        with app.app_context():
            tick(clock)
        session.behave()

    with SmtpServer({"dot": long_silence}) as server, fleet_to(server.url, connections=1) as fleet:
        with transaction():
            slot = take_slot(issue, "a worker", clock)
        sender = sending.Sender(slot, fleet, clock)
        sender.send(until=NOON + timedelta(minutes=2))

    counts = states(issue)
    assert counts["sent"] >= 3
    assert counts["sent"] + counts["queued"] == 4, "nobody is in doubt"


def test_a_finished_batch_is_not_taken_again(app, mail_server, clock):
    issue = start_issue(readers=3)

    send(issue, mail_server.url, clock)

    assert db.session.scalars(select(Batch.finished_at)).all() == [NOON]
