"""Celery bound to Flask, and the whole clock on one page.

The queue is a hint, the database is the truth: a task carries at most an id, claims its row and
may run twice; a retry is a `due_at`, never a countdown; a lost hint is found by the clock.
"""

import logging
from datetime import timedelta
from typing import Any

from celery import Celery, Task, signals
from celery.schedules import schedule
from flask import Flask, current_app
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from newsletter.database import db

log = logging.getLogger(__name__)

ISSUES, NOTICES, UPKEEP = "issues", "notices", "upkeep"  # queues; any worker may take upkeep
QUEUES = {
    "delivery.send_issue": ISSUES,
    "delivery.send_notices": NOTICES,
    "subscribers.answer_signups": NOTICES,
    "subscribers.forget_unconfirmed": UPKEEP,
    "delivery.sweep_issues": UPKEEP,
    "delivery.sweep_notices": UPKEEP,
    "delivery.forget_notices": UPKEEP,
}
CLOCK = {
    "delivery.sweep_issues": timedelta(seconds=5),
    "delivery.sweep_notices": timedelta(seconds=5),
    "subscribers.answer_signups": timedelta(seconds=15),
    "subscribers.forget_unconfirmed": timedelta(hours=1),
    "delivery.forget_notices": timedelta(hours=1),
}

TASK_MINUTES = 15  # the hard limit of a task: above the longest wait for a relay's answer
VISIBILITY_SECONDS = 30 * 60  # above the hard limit, or Redis hands a running task out again


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
    signals.worker_process_init.connect(_forget_parents_connections(app), weak=False)


def hint(task: str, *args: int) -> None:
    """Tell a worker that there is something to do; call it after the transaction.

    Never raises and never waits long: without Redis the clock finds the work later.
    """
    celery = _current()
    try:
        celery.send_task(task, args=args, queue=QUEUES[task], retry=False)
    except (OperationalError, RedisError, OSError):
        log.warning("no hint for %s: Redis does not answer; the clock will find the work", task)


def _current() -> Celery:
    found: Celery = current_app.extensions["celery"]
    return found


def _forget_parents_connections(app: Flask) -> Any:
    def after_fork(**_: object) -> None:
        with app.app_context():
            db.engine.dispose(close=False)

    return after_fork
