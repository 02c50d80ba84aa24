"""Corners of the sending engine: silence, slowness, hang-ups and second thoughts."""

import socket
import time
from datetime import UTC, datetime, timedelta
from threading import Event, Lock

import pytest
from sqlalchemy import select, text

from newsletter.database import db, end_read, transaction
from newsletter.delivery import ledger, sending, steering, sweep
from newsletter.delivery.fleet import Fleet
from newsletter.delivery.ledger import Verdict
from newsletter.delivery.models import Batch, Delivery, DeliveryState
from newsletter.delivery.pace import pace_of
from newsletter.delivery.patience import LOST
from newsletter.delivery.progress import progress
from newsletter.issues.lifecycle import IssueState
from newsletter.mail.smtp import Limits, Relay, RelayAddress
from newsletter.pages import settings
from tests.mail_server import PATIENCE
from tests.posting import (
    TestClock,
    run_together,
    send,
    start_issue,
    states,
    take_batch,
    tick,
)
from tests.smtp_server import Gone, SmtpServer, hang


@pytest.fixture
def clock():
    return TestClock()


def real_time():
    return datetime.now(UTC)


def patient_fleet(*urls, before_dot):
    """Relays whose limit before the dot is longer than a task claims, as in operation."""
    limits = Limits(connect=1, before_dot=before_dot, after_dot=5)
    relays = [
        Relay(RelayAddress.parse(url), helo="tests.example", connections=4, limits=limits)
        for url in urls
    ]
    return Fleet(relays, pace_of(settings()))


@pytest.mark.parametrize("stage", ["greeting", "ehlo", "mail", "rcpt"])
def test_a_relay_that_falls_silent_is_left_for_the_next_one(app, monkeypatch, stage):
    issue = start_issue(readers=5)
    monkeypatch.setattr(sending, "SENDING_TIME", timedelta(seconds=1))

    with SmtpServer({stage: hang}) as silent, SmtpServer() as good:
        fleet = patient_fleet(silent.url, good.url, before_dot=1.5)
        for _ in range(15):
            sending.send_issue(issue.id, fleet, clock=real_time)
            if good.messages:
                break
        fleet.close()

    assert states(issue)["sent"] == len(good.messages) > 0


def test_a_reader_whose_server_takes_longer_than_a_task_gets_the_issue(app, monkeypatch):
    issue = start_issue("slow@example.org", readers=3)
    monkeypatch.setattr(sending, "SENDING_TIME", timedelta(seconds=1))

    def rcpt(session):
        if "slow@" in session.line:
            session.server.stopped.wait(1.5)
        session.behave()

    with SmtpServer({"rcpt": rcpt}) as server:
        fleet = patient_fleet(server.url, before_dot=10)
        for _ in range(4):
            sending.send_issue(issue.id, fleet, clock=real_time)
        fleet.close()

    assert states(issue) == {"sent": 4}


def test_a_line_that_ends_right_after_its_354_costs_nobody_else_anything(app, clock, monkeypatch):
    monkeypatch.setattr(sending, "LINGER", 0.1)  # so that both come into one group
    monkeypatch.setattr(sending, "MOMENT", 0.1)
    issue = start_issue(readers=40)
    lock, datas = Lock(), iter(range(1, 1000))

    def data(session):
        with lock:
            number = next(datas)
        if number in {15, 22, 30}:
            session.socket.send(b"354 Go on\r\n", socket.MSG_MORE)  # leaves with the end
            raise Gone
        session.behave()

    with SmtpServer({"data": data}) as server:
        send(issue, server.url, clock)
        assert len(server.messages) == 37

    assert states(issue) == {"sent": 37, "queued": 3}


def test_an_issue_that_is_resumed_while_the_last_answers_come_is_not_paused_again(app, clock):
    issue = start_issue(readers=12)
    lock, mails, dots = Lock(), iter(range(1, 1000)), iter(range(1, 1000))

    def mail(session):
        with lock:
            number = next(mails)
        if number == 9:
            session.say("550 5.7.1 we do not know this sender")
        else:
            session.behave()

    def dot(session):
        with lock:
            number = next(dots)
        if number == 5:
            with app.app_context():
                resume_when_paused()
            session.server.stopped.wait(1.3)
        session.behave()

    def resume_when_paused():
        for _ in range(150):
            with transaction():
                if progress(issue.id).state is IssueState.PAUSED:
                    steering.resume(issue.id, who="editor", now=clock())
                    return
            time.sleep(0.02)

    with SmtpServer({"mail": mail, "dot": dot}) as server:
        send(issue, server.url, clock)

    assert progress(issue.id).state is IssueState.SENDING


def test_an_attempt_that_is_written_down_twice_counts_once(app, clock):
    issue = start_issue(readers=1)
    with transaction():
        lease = take_batch(issue, clock)
        [delivery] = ledger.waiting(lease)
    later = clock() + timedelta(minutes=1)
    verdict = Verdict(delivery.id, DeliveryState.QUEUED, "451 later", later)

    for _ in range(2):
        with transaction(), ledger.entry(lease.slot, clock()) as entry:
            entry.record(lease, [verdict], were_marked=False)

    assert db.session.scalar(select(Delivery.attempts)) == 1


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_an_editor_can_cancel_while_a_sender_writes_down_a_group(app, clock):
    issue = start_issue(readers=10)
    with transaction():
        lease = take_batch(issue, clock)
        deliveries = ledger.waiting(lease)
    has_begun = Event()

    def cancel():
        with app.app_context():
            has_begun.wait()
            with transaction():
                steering.cancel(issue.id, who="editor", now=clock())

    def write_down():
        refused = Verdict(deliveries[8].id, DeliveryState.FAILED, "550 no")
        with app.app_context(), transaction(), ledger.entry(lease.slot, clock()) as entry:
            entry.record(lease, [refused], were_marked=False)
            has_begun.set()
            time.sleep(0.5)
            entry.mark(lease, [deliveries[2].id])

    run_together(cancel, write_down)

    with transaction():
        sweep.close_issues(now=clock())
    assert states(issue)["queued"] == 0


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_marks_of_a_process_that_froze_are_undone_and_others_send(app, clock, mail_server):
    issue = start_issue(readers=6)
    with transaction():
        lease = take_batch(issue, clock)
        ids = [delivery.id for delivery in ledger.waiting(lease)]
    has_marked, may_thaw = Event(), Event()
    failures = []

    def freeze():
        with app.app_context():
            try:
                with transaction(), ledger.entry(lease.slot, clock()) as entry:
                    limit = "SET LOCAL idle_in_transaction_session_timeout = '2s'"
                    db.session.execute(text(limit))
                    assert len(entry.mark(lease, ids).ids) == 6
                    has_marked.set()
                    may_thaw.wait(PATIENCE)
            except LOST as error:
                failures.append(error)

    def take_over():
        with app.app_context():
            has_marked.wait(PATIENCE)
            clock.turn(minutes=1)
            tick(clock)
            assert db.session.scalar(select(Batch.fence)) == lease.fence, "it is held"
            while db.session.scalar(select(Batch.fence)) == lease.fence:
                end_read()
                time.sleep(0.05)
                tick(clock)
            send(issue, mail_server.url, clock)
            may_thaw.set()

    run_together(freeze, take_over)

    assert len(failures) == 1
    assert len(mail_server.envelopes) == 6
    assert states(issue) == {"sent": 6}
