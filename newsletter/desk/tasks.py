"""What a worker does for editors."""

from datetime import UTC, datetime

from celery import shared_task

from newsletter.background import hint
from newsletter.database import transaction
from newsletter.desk import alarms, invitations, password_reset, sessions
from newsletter.issues import link_checks


@shared_task(name="desk.tell_editors")
def tell_editors() -> None:
    """Write to the editors about issues that need them, and about attacks."""
    with transaction():
        told = alarms.tell_editors(now=datetime.now(UTC))
    if told:
        hint("delivery.send_notices")


@shared_task(name="desk.forget")
def forget() -> None:
    """Delete what serves nobody any more: old ways in, and where links led a while ago."""
    for forget_old in (
        invitations.forget_invitations,
        password_reset.forget_resets,
        sessions.forget_sessions,
        link_checks.forget,
    ):
        with transaction():
            forget_old(now=datetime.now(UTC))
