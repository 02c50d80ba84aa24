"""What workers do for subscribers."""

from datetime import UTC, datetime, timedelta

from celery import shared_task

from newsletter.background import hint
from newsletter.database import transaction
from newsletter.subscribers import address_change, erasure, links_request, signup

LATEST_WORDS = timedelta(days=1)  # by then every mail that was on the wire has its answer


@shared_task(name="subscribers.answer_signups")
def answer_signups() -> None:
    """Answer who asked to subscribe, each in a transaction of their own."""
    waiting = signup.unanswered_signups()
    for signup_id in waiting:
        with transaction():
            signup.answer_signup(signup_id, now=now())
    if waiting:
        hint("delivery.send_notices")


@shared_task(name="subscribers.answer_address_changes")
def answer_address_changes() -> None:
    """Answer who wants to be written to elsewhere, each in a transaction of their own."""
    waiting = address_change.unanswered_changes()
    for change_id in waiting:
        with transaction():
            address_change.answer_change(change_id, now=now())
    if waiting:
        hint("delivery.send_notices")


@shared_task(name="subscribers.answer_links_requests")
def answer_links_requests() -> None:
    """Answer who asked for their links, each in a transaction of their own."""
    waiting = links_request.unanswered_requests()
    for request_id in waiting:
        with transaction():
            links_request.answer_request(request_id, now=now())
    if waiting:
        hint("delivery.send_notices")


@shared_task(name="subscribers.forget_unconfirmed")
def forget_unconfirmed() -> None:
    """Delete what was never confirmed, a few hundred rows at a time."""
    for forget in (signup.forget_unconfirmed, address_change.forget_changes):
        forgotten = signup.FORGOTTEN_AT_ONCE
        while forgotten == signup.FORGOTTEN_AT_ONCE:
            with transaction():
                forgotten = forget(now=now())


@shared_task(name="subscribers.forget_late_words")
def forget_late_words() -> None:
    """Forget what mail servers have said since about readers who were just erased."""
    with transaction():
        erasure.blank_late_words(since=now() - LATEST_WORDS, now=now())


def now() -> datetime:
    """The clock of a worker."""
    return datetime.now(UTC)
