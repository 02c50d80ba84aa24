"""Celery bound to Flask, and the whole clock on one page.

The queue is a hint, the database is the truth: a task carries at most an id, claims its row and
may run twice; a retry is a `due_at`, never a countdown; a lost hint is found by the clock.
"""

import json
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import c_bool
from datetime import timedelta
from multiprocessing.sharedctypes import RawValue
from typing import Any

from celery import Celery, Task, signals
from celery.schedules import schedule
from flask import Flask, current_app
from kombu import Connection
from kombu.exceptions import ChannelError, OperationalError
from redis.exceptions import RedisError

from newsletter.database import db

log = logging.getLogger(__name__)

ISSUES, NOTICES, UPKEEP = "issues", "notices", "upkeep"  # queues; any worker may take upkeep
QUEUES = {
    "delivery.send_issue": ISSUES,
    "delivery.send_notices": NOTICES,
    "subscribers.answer_signups": NOTICES,
    "subscribers.answer_address_changes": NOTICES,
    "subscribers.answer_links_requests": NOTICES,
    "subscribers.forget_unconfirmed": UPKEEP,
    "subscribers.forget_late_words": UPKEEP,
    "delivery.sweep_issues": UPKEEP,
    "delivery.start_scheduled": UPKEEP,
    "delivery.settle_doubts": UPKEEP,
    "desk.tell_editors": UPKEEP,
    "desk.check_links": UPKEEP,
    "desk.forget": UPKEEP,
    "delivery.sweep_notices": UPKEEP,
    "delivery.forget_notices": UPKEEP,
    "delivery.count_reports": UPKEEP,
}
CLOCK = {
    "delivery.sweep_issues": timedelta(seconds=5),
    "delivery.start_scheduled": timedelta(seconds=10),
    "delivery.settle_doubts": timedelta(seconds=30),
    "desk.tell_editors": timedelta(seconds=30),
    "desk.check_links": timedelta(minutes=1),
    "desk.forget": timedelta(hours=1),
    "delivery.sweep_notices": timedelta(seconds=5),
    "subscribers.answer_signups": timedelta(seconds=15),
    "subscribers.answer_address_changes": timedelta(seconds=15),
    "subscribers.answer_links_requests": timedelta(seconds=15),
    "subscribers.forget_unconfirmed": timedelta(hours=1),
    "subscribers.forget_late_words": timedelta(hours=1),
    "delivery.forget_notices": timedelta(hours=1),
    "delivery.count_reports": timedelta(minutes=1),
}

NO_ANSWER = (OperationalError, RedisError, OSError)
PATIENCE = 1  # seconds that workers have to say that they live

TASK_MINUTES = 52  # the hard limit of a task, above all that it may wait for a relay: decision 11
VISIBILITY_SECONDS = 60 * 60  # above the hard limit, or Redis hands a running task out again

_stopping = RawValue(c_bool)  # false; seen by a worker's children: it is there before they are


def init_background(app: Flask, broker_url: str) -> None:
    """Bind a Celery application to this Flask application."""

    class TaskInApp(Task):  # type: ignore[type-arg]  # generic in its stubs only
        """A task with the application's context around it."""

        def __call__(self, *args: object, **kwargs: object) -> object:
            with app.app_context():
                return self.run(*args, **kwargs)

    celery = Celery(app.name, task_cls=TaskInApp)
    celery.conf.update(
        broker_url=broker_url,
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            "visibility_timeout": VISIBILITY_SECONDS,
            "socket_connect_timeout": 2,
            "socket_timeout": 20,
            "socket_keepalive": True,
            "health_check_interval": 10,
            "max_retries": 1,  # of a hint; a worker that starts has patience of its own
            "interval_start": 0,
        },
        visibility_timeout=VISIBILITY_SECONDS,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_acks_late=True,
        task_reject_on_worker_lost=False,  # the sweep finds what a killed process held
        task_time_limit=TASK_MINUTES * 60,
        task_routes={name: {"queue": queue} for name, queue in QUEUES.items()},
        task_default_queue=UPKEEP,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        beat_schedule={
            name: {
                "task": name,
                "schedule": schedule(every),
                "options": {"expires": max(every.total_seconds(), 30)},
            }
            for name, every in CLOCK.items()
        },
        timezone="UTC",
    )
    celery.set_default()
    app.extensions["celery"] = celery
    forget = app.extensions["forget_parents_connections"] = _forget_parents_connections(app)
    signals.worker_process_init.connect(forget)  # for as long as the application lives
    signals.worker_shutting_down.connect(_tell_children_to_stop)


def hint(task: str, *args: int) -> bool:
    """Tell a worker that there is something to do, after the transaction; says if Redis heard.

    Never raises and never waits long: without Redis the clock finds the work later.
    """
    celery = _current()
    try:
        celery.send_task(task, args=args, queue=QUEUES[task], retry=False)
    except NO_ANSWER:
        log.warning("no hint for %s: Redis does not answer; the clock will find the work", task)
        return False
    return True


def is_stopping() -> bool:
    """Whether the worker was asked to stop: finish what is on the wire, take nothing new."""
    return bool(_stopping.value)


def waiting(queue: str) -> int:
    """How many tasks wait in a queue for a worker; 0 when Redis does not answer."""
    try:
        with _broker() as connection:
            return int(connection.SimpleQueue(queue).qsize())
    except (*NO_ANSWER, ChannelError):  # an empty queue is a missing key, and a complaint
        return 0


def hinted(task: str) -> Counter[int]:
    """How many hints of a task wait for a worker, by the id they carry.

    Looks without taking any; none when Redis does not answer.
    """
    try:
        with _broker() as connection:
            channel: Any = connection.default_channel  # that of Redis: its queues are lists
            kept = channel.client.lrange(QUEUES[task], 0, -1)
            messages = [channel.message_to_python(json.loads(message)) for message in kept]
    except NO_ANSWER:
        return Counter()
    ours = (message for message in messages if message.headers["task"] == task)
    return Counter(args[0] for args, *_ in (message.decode() for message in ours))


def is_consumed(queue: str) -> bool:
    """Whether a worker lives that takes tasks from a queue; False when Redis does not answer."""
    try:
        with _broker() as connection:
            inspect = _current().control.inspect(timeout=PATIENCE, connection=connection)
            workers = inspect.active_queues() or {}
    except NO_ANSWER:
        return False
    return any(taken["name"] == queue for queues in workers.values() for taken in queues)


@contextmanager
def _broker() -> Iterator[Connection]:
    """A connection to Redis of our own; raises one of `NO_ANSWER` soon if there is none."""
    with _current().connection_for_write() as connection:
        yield connection.ensure_connection(max_retries=1, interval_start=0, timeout=PATIENCE)


def _current() -> Celery:
    found: Celery = current_app.extensions["celery"]
    return found


def _tell_children_to_stop(**_: object) -> None:
    _stopping.value = True


def _forget_parents_connections(app: Flask) -> Any:
    def after_fork(**_: object) -> None:
        with app.app_context():
            db.engine.dispose(close=False)

    return after_fork
