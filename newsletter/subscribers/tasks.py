"""What workers do for subscribers."""

from datetime import UTC, datetime

from celery import shared_task

from newsletter.background import hint
from newsletter.database import transaction
from newsletter.subscribers import signup


@shared_task(name="subscribers.answer_signups")
def answer_signups() -> None:
    """Answer who asked to subscribe, each in a transaction of their own."""
    waiting = signup.unanswered_signups()
    for signup_id in waiting:
        with transaction():
            signup.answer_signup(signup_id, now=datetime.now(UTC))
    if waiting:
        hint("delivery.send_notices")


@shared_task(name="subscribers.forget_unconfirmed")
def forget_unconfirmed() -> None:
    """Delete what was never confirmed, a few hundred rows at a time."""
    forgotten = signup.FORGOTTEN_AT_ONCE
    while forgotten == signup.FORGOTTEN_AT_ONCE:
        with transaction():
            forgotten = signup.forget_unconfirmed(now=datetime.now(UTC))
