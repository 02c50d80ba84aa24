"""Processes that send side by side, and one that is killed."""

import subprocess
import sys
from signal import SIGCONT, SIGSTOP
from threading import Event

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import select

from newsletter.database import db
from newsletter.delivery.models import Delivery, DeliveryState
from newsletter.subscribers.models import Subscriber
from tests.mail_server import PATIENCE
from tests.posting import TestClock, send, start_issue, states, tick
from tests.running import wait_until
from tests.smtp_server import SmtpServer, hang


@pytest.fixture
def clock():
    return TestClock()


def start_sender(settings, server, issue):
    """A process of its own that sends the issue."""
    arguments = [settings.database_url, server.url, str(issue.id)]
    return subprocess.Popen([sys.executable, "-W", "error", "-m", "tests.sender", *arguments])


def recipients(server):
    return sorted(message.recipient for message in server.messages)


def in_doubt():
    query = select(Subscriber.address).join(Delivery, Delivery.subscriber_id == Subscriber.id)
    return set(db.session.scalars(query.where(Delivery.state == DeliveryState.IN_DOUBT)))


def test_after_kill_9_everybody_got_one_or_is_in_doubt_and_listed(app, settings, clock):
    issue = start_issue(readers=40)
    fallen_silent = Event()
    taken_without_a_word: list[str] = []

    def fall_silent_in_the_end(session):
        if len(server.messages) < 10:
            session.behave()
        else:
            taken_without_a_word.append(session.recipient)
            fallen_silent.set()
            hang(session)

    with SmtpServer({"dot": fall_silent_in_the_end}) as server:
        sender = start_sender(settings, server, issue)
        assert fallen_silent.wait(PATIENCE)
        sender.kill()
        sender.wait()
        before = recipients(server)
    clock.turn(seconds=31)
    tick(clock)
    doubtful = in_doubt()
    assert set(taken_without_a_word) <= doubtful
    assert len(doubtful) <= 4, "more than one in doubt for each connection"

    with SmtpServer() as server:
        send(issue, server.url, clock)
        after = recipients(server)

    assert len(before + after) == len(set(before + after))
    assert set(before + after) | doubtful == {f"reader-{n}@example.org" for n in range(40)}
    assert set(after).isdisjoint(doubtful)
    assert states(issue) == {"sent": 40 - len(doubtful), "in_doubt": len(doubtful)}


def test_four_processes_at_once_send_everybody_one(app, settings):
    issue = start_issue(readers=800)

    with SmtpServer() as server:
        senders = [start_sender(settings, server, issue) for _ in range(4)]
        assert [sender.wait(120) for sender in senders] == [0, 0, 0, 0]

        assert len(server.messages) == 800
        assert len(set(recipients(server))) == 800
    assert states(issue) == {"sent": 800}


SLOW_CLAIMS = """
CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN PERFORM pg_sleep(3); RETURN NEW; END $$;
CREATE TRIGGER dawdle BEFORE UPDATE ON batch FOR EACH ROW EXECUTE FUNCTION dawdle();
"""
IN_A_CLAIM = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
LIVES = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"


@pytest.fixture
def postgres(migrated_postgres):
    """PostgreSQL itself, told to end idle transactions soon."""
    with psycopg.connect(migrated_postgres, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        limit = "ALTER DATABASE {} SET idle_in_transaction_session_timeout = '2s'"
        connection.execute(sql.SQL(limit).format(name))
        yield connection
        forget = "ALTER DATABASE {} RESET idle_in_transaction_session_timeout"
        connection.execute(sql.SQL(forget).format(name))
        connection.execute("DROP FUNCTION IF EXISTS dawdle CASCADE")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_process_that_freezes_in_a_transaction_is_not_waited_for(app, settings, clock, postgres):
    issue = start_issue(readers=40)

    with SmtpServer() as server, SmtpServer() as others:
        postgres.execute(SLOW_CLAIMS)
        sender = start_sender(settings, server, issue)
        while not (claims := postgres.execute(IN_A_CLAIM).fetchone()):
            assert sender.poll() is None
        sender.send_signal(SIGSTOP)
        wait_until(lambda: postgres.execute(LIVES, claims).fetchone() == (0,), "it is cut off")
        postgres.execute("DROP FUNCTION dawdle CASCADE")
        send(issue, others.url, clock)
        assert len(recipients(others)) == 40

        sender.send_signal(SIGCONT)
        assert sender.wait(PATIENCE) == 0
        assert server.messages == []

    assert states(issue) == {"sent": 40}
