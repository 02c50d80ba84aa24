"""What workers do to get mail out."""

import os
import socket
from datetime import UTC, datetime

from celery import shared_task
from flask import current_app

from newsletter.background import NOTICES, hint, hinted, waiting
from newsletter.database import transaction
from newsletter.delivery import doubts, notices, report, sending, start, sweep
from newsletter.delivery.fleet import Fleet, fleet_of
from newsletter.delivery.samples import take_samples
from newsletter.pages import settings


@shared_task(name="delivery.send_issue")
def send_issue(issue_id: int) -> None:
    """Send an issue for half a minute, if there is a free slot; then let another task go on."""
    if sending.send_issue(issue_id, fleet(), clock=now):
        hint("delivery.send_issue", issue_id)


@shared_task(name="delivery.send_notices")
def send_notices() -> None:
    """Send the notices that are due."""
    notices.send_notices(fleet(), clock=now)


@shared_task(name="delivery.sweep_issues")
def sweep_issues() -> None:
    """Sort out what died, cut what is due again, close what is done, call more senders."""
    with transaction():
        sweep.expire_leases(now=now())
    with transaction():
        sweep.cut_retries(now=now())
    with transaction():
        sweep.close_issues(now=now())
    with transaction():
        take_samples(now=now())
    with transaction():
        openings = sweep.openings(now=now())
    called = hinted("delivery.send_issue")  # before, and waits for a worker
    for issue_id in (openings - called).elements():
        hint("delivery.send_issue", issue_id)


@shared_task(name="delivery.start_scheduled")
def start_scheduled() -> None:
    """Start the issues whose time has come."""
    start.start_due(now=now())


@shared_task(name="delivery.settle_doubts")
def settle_doubts() -> None:
    """Send what is in doubt again, if that is the operator's policy."""
    with transaction():
        settled = doubts.settle_by_policy(now=now())
    if settled:
        hint("delivery.sweep_issues")


@shared_task(name="delivery.sweep_notices")
def sweep_notices() -> None:
    """Queue again what died, and call a sender if there is work."""
    with transaction():
        notices.expire_leases(now=now())
    with transaction():
        are_due = notices.are_due(now=now())
    if are_due and not waiting(NOTICES):
        hint("delivery.send_notices")


@shared_task(name="delivery.forget_notices")
def forget_notices() -> None:
    """Delete what is too old to count."""
    with transaction():
        notices.forget_notices(now=now())


@shared_task(name="delivery.count_reports")
def count_reports() -> None:
    """Count what became of the issues that are done, each while nobody waits for it."""
    for issue_id in report.issues_to_count(now=now()):
        counted_at = now()
        lines = report.count_lines(issue_id)
        with transaction():
            report.keep_lines(issue_id, lines, now=counted_at)


def now() -> datetime:
    """The clock of a worker."""
    return datetime.now(UTC)


def fleet() -> Fleet:
    """The relays of this process, their connections kept open from task to task."""
    key = f"fleet:{os.getpid()}"  # a child must not talk on its parent's connections
    if key not in current_app.extensions:
        current_app.extensions[key] = fleet_of(settings(), socket.getfqdn())
    kept: Fleet = current_app.extensions[key]
    return kept
