"""What the clock finds, and what a lost hint forgot."""

import pytest
from sqlalchemy import func, select

from newsletter.background import ISSUES, NOTICES, hint, hinted, is_consumed, waiting
from newsletter.database import db, transaction
from newsletter.delivery import ledger, slots, sweep, tasks
from newsletter.delivery.models import Batch
from newsletter.delivery.progress import progress
from newsletter.delivery.start import send_now
from newsletter.issues.lifecycle import IssueState
from tests.factories import NOON, make_issue
from tests.posting import TestClock, run_together, send, start_issue, states, take_batch, tick
from tests.smtp_server import SmtpServer, say


@pytest.fixture
def clock():
    return TestClock()


@pytest.fixture(autouse=True)
def _empty_queues(app):
    with app.extensions["celery"].connection_for_write() as connection:
        for queue in (ISSUES, NOTICES):
            bound = connection.SimpleQueue(queue)
            bound.clear()
            bound.close()


def test_retries_that_are_due_are_cut_into_new_batches(app, clock):
    issue = start_issue(readers=9)
    with SmtpServer({"rcpt": say("450 4.2.0 later")}) as server:
        send(issue, server.url, clock)
    assert states(issue) == {"queued": 9}
    clock.turn(minutes=2)

    tick(clock)
    tick(clock)

    batches = select(func.count()).select_from(Batch)
    assert db.session.scalar(batches) == 2
    assert db.session.scalar(batches.where(Batch.finished_at.is_(None))) == 1


def test_two_clocks_do_no_harm(app, clock):
    issue = start_issue(readers=40)
    with SmtpServer({"rcpt": say("450 4.2.0 later")}) as server:
        send(issue, server.url, clock)
    clock.turn(minutes=2)

    def sweep_often():
        with app.app_context():
            for _ in range(5):
                tick(clock)

    run_together(*[sweep_often] * 3)

    assert states(issue) == {"queued": 40}
    with SmtpServer() as server:
        send(issue, server.url, clock)
        assert len(server.messages) == 40
    assert states(issue) == {"sent": 40}


def test_two_clocks_put_a_delivery_in_doubt_once(app, clock):
    issue = start_issue(readers=40)
    with transaction():
        lease = take_batch(issue, clock)
        with ledger.entry(lease.slot, clock()) as entry:
            entry.mark(lease, [delivery.id for delivery in ledger.waiting(lease)[:10]])
    clock.turn(minutes=2)

    def sweep_once():
        with app.app_context():
            tick(clock)

    run_together(*[sweep_once] * 4)

    assert states(issue) == {"in_doubt": 10, "queued": 30}


def test_senders_are_called_for_as_many_batches_as_there_are_free_slots(app, clock, settings):
    issue = start_issue(readers=1200)
    with transaction():
        assert sweep.openings(now=clock()) == {issue.id: 3}
        take_batch(issue, clock)
        assert sweep.openings(now=clock()) == {issue.id: 2}
        for number in range(settings.senders_per_issue - 2):
            slots.take_slot(issue.id, f"worker {number}", clock())
        assert sweep.openings(now=clock()) == {issue.id: 1}


def test_nobody_is_called_for_an_issue_that_does_not_move(app, clock, mail_server):
    issue = start_issue(readers=3)
    send(issue, mail_server.url, clock)

    with transaction():
        assert not sweep.openings(now=clock())


def test_the_clock_sends_what_a_lost_hint_forgot_and_floods_no_queue(app, settings):
    start_issue(readers=3)
    with app.extensions["celery"].connection_for_write() as connection:
        connection.SimpleQueue(ISSUES).clear()

    for _ in range(5):
        tasks.sweep_issues()

    assert waiting(ISSUES) == 1


def test_hints_of_one_issue_do_not_keep_senders_from_another(app):
    """One that keeps its pace has few batches free, but its hints come back all the time."""
    paced = start_issue(readers=3)
    with transaction():
        other = make_issue(88)
    send_now(other.id, now=NOON)
    with app.extensions["celery"].connection_for_write() as connection:
        connection.SimpleQueue(ISSUES).clear()
    for _ in range(5):
        hint("delivery.send_issue", paced.id)

    for _ in range(3):
        tasks.sweep_issues()

    assert hinted("delivery.send_issue") == {paced.id: 5, other.id: 1}
    assert waiting(ISSUES) == 6


def test_send_calls_as_many_senders_as_there_may_be(app, settings):
    start_issue(readers=3)

    assert waiting(ISSUES) == settings.senders_per_issue


def test_without_redis_no_hint_is_known_of(app, tmp_path):
    app.extensions["celery"].conf.update(broker_url=f"redis+socket://{tmp_path}/nobody.sock")

    assert hinted("delivery.send_issue") == {}


def test_without_a_worker_nobody_takes_the_queue(app):
    assert not is_consumed(ISSUES)


def test_tasks_send_an_issue_to_its_end(app, mail_server):
    issue = start_issue(readers=6)

    tasks.send_issue(issue.id)
    tasks.sweep_issues()
    tasks.fleet().close()

    assert len(mail_server.envelopes) == 6
    assert states(issue) == {"sent": 6}
    assert progress(issue.id).state is IssueState.SENT
