"""Press Send: the one way in for command line, desk and clock."""

import logging
from datetime import datetime

from sqlalchemy.exc import OperationalError

from newsletter.background import hint
from newsletter.database import transaction
from newsletter.delivery.fanout import start_sending
from newsletter.issues.models import Issue
from newsletter.pages import settings

SERIALIZATION_FAILURE = "40001"  # SQLSTATE: somebody else changed the row since our snapshot
TRIES = 3

log = logging.getLogger(__name__)


def send_now(issue_id: int, *, now: datetime) -> Issue:
    """Start sending in a transaction of its own, then call as many workers as may send.

    Of several who start the same issue at once one succeeds; the others get the same `WrongStep`
    as somebody who comes a minute later. Raises `Blocked` by the preflight.
    """
    issue = _start(issue_id, now)
    for _ in range(settings().senders_per_issue):
        if not hint("delivery.send_issue", issue.id):
            break
    return issue


def _start(issue_id: int, now: datetime) -> Issue:
    for attempt in range(1, TRIES + 1):
        try:
            with transaction(snapshot=True):
                return start_sending(issue_id, now=now)
        except OperationalError as error:
            if not _was_overtaken(error) or attempt == TRIES:
                raise
            log.info("issue %d changed while it was started; again", issue_id)
    raise AssertionError  # the last try returns or raises


def _was_overtaken(error: OperationalError) -> bool:
    return getattr(error.orig, "sqlstate", None) == SERIALIZATION_FAILURE
