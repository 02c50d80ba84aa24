"""What a worker does for editors."""

from datetime import UTC, datetime

from celery import shared_task

from newsletter.background import hint
from newsletter.database import transaction
from newsletter.desk import alarms


@shared_task(name="desk.tell_editors")
def tell_editors() -> None:
    """Write to the editors about issues that need them, and about attacks."""
    with transaction():
        told = alarms.tell_editors(now=datetime.now(UTC))
    if told:
        hint("delivery.send_notices")
