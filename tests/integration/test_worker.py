"""A real worker with child processes, over a real queue."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from sqlalchemy import select

from newsletter.background import ISSUES, NOTICES, hint, is_consumed
from newsletter.database import db, transaction
from newsletter.delivery.models import Batch
from newsletter.delivery.progress import live_workers
from newsletter.mail.rendering import RenderedMail
from newsletter.notices.models import Notice, NoticeKind, NoticeState
from newsletter.notices.owing import owe
from tests.factories import NOON
from tests.posting import start_issue, states
from tests.running import environment, wait_until
from tests.smtp_server import SmtpServer


@pytest.fixture(autouse=True)
def _empty_queues(app):
    with app.extensions["celery"].connection_for_write() as connection:
        connection.default_channel.client.flushdb()


@contextmanager
def worker(settings, server, *queues):
    """A worker for some of the queues, stopped in the end."""
    command = [sys.executable, "-m", "celery", "-A", "worker", "worker"]
    process = subprocess.Popen(
        [*command, "-Q", ",".join(queues), "-c", "2", "--without-gossip", "--without-mingle"],
        env=environment(
            settings.instance_path,
            SECRET_KEY=settings.secret_keys[0],
            DATABASE_URL=settings.database_url,
            REDIS_URL=settings.redis_url,
            SMTP_URL=server.url,
        ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def test_a_worker_sends_an_issue_and_is_seen_to_live(app, settings):
    with SmtpServer() as server, worker(settings, server, ISSUES):
        wait_until(live_workers, "a worker")
        assert not is_consumed(NOTICES)

        issue = start_issue(readers=50)

        wait_until(lambda: states(issue) == {"sent": 50}, "the issue is sent")
        assert len({message.recipient for message in server.messages}) == len(server.messages) == 50


def test_a_worker_sends_notices(app, settings):
    mail = RenderedMail(subject="Please confirm", text="Press.\n", html="<p>Press.</p>")
    with transaction():
        owe(NoticeKind.WELCOME, "amal@example.org", mail, language="en", now=NOON)
    with SmtpServer() as server, worker(settings, server, NOTICES):
        hint("delivery.send_notices")

        def is_sent():
            db.session.rollback()
            return db.session.scalar(select(Notice.state)) is NoticeState.SENT

        wait_until(is_sent, "the notice is sent")


def test_a_worker_that_is_stopped_finishes_what_is_on_the_wire_and_gives_the_rest_back(
    app, settings
):
    def take_your_time(session):
        time.sleep(0.2)
        session.behave()

    issue = start_issue(readers=1000)
    with SmtpServer({"dot": take_your_time}) as server:
        with worker(settings, server, ISSUES) as process:
            wait_until(lambda: len(server.messages) > 10, "sending has begun")
            os.kill(process.pid, signal.SIGTERM)
            process.wait(60)
        assert len(server.messages) < 1000
        assert states(issue) == {
            "sent": len(server.messages),
            "queued": 1000 - len(server.messages),
        }
    assert set(db.session.scalars(select(Batch.lease_until))) == {None}
