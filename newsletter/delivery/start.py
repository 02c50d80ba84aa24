"""Press Send: the one way in for command line, desk and clock."""

import logging
from datetime import datetime

from sqlalchemy.exc import OperationalError

from newsletter import audit
from newsletter.background import hint
from newsletter.database import transaction
from newsletter.delivery import schedule
from newsletter.delivery.fanout import Blocked, start_sending
from newsletter.issues.lifecycle import WrongStep
from newsletter.issues.models import Issue
from newsletter.pages import settings

SERIALIZATION_FAILURE = "40001"  # SQLSTATE: somebody else changed the row since our snapshot
TRIES = 3

log = logging.getLogger(__name__)


def send_now(
    issue_id: int,
    *,
    now: datetime,
    who: str = audit.COMMAND_LINE,
    scheduled_at: datetime | None = None,
    seen: str | None = None,
) -> Issue:
    """Start sending in a transaction of its own, then call as many workers as may send.

    Of several who start the same issue at once one succeeds; the others get the same `WrongStep`
    as somebody who comes a minute later, or as the clock if the issue is no longer `scheduled_at`
    the time that has come. With `seen` (`schedule.as_it_stands` when it was shown) it must be
    approved, and stand so: else raises `NotAsApproved`. Raises `Blocked` by the preflight.
    """
    issue = _start(issue_id, who, now, scheduled_at, seen)
    for _ in range(settings().senders_per_issue):
        if not hint("delivery.send_issue", issue.id):
            break
    return issue


def start_due(*, now: datetime) -> None:
    """Start the issues whose time has come; one that cannot be sent is a draft again."""
    for issue_id, at in schedule.due(now=now):
        try:
            send_now(issue_id, now=now, who=audit.POLICY, scheduled_at=at)
        except Blocked as error:
            with transaction():
                schedule.hold_back(issue_id, because=str(error), now=now)
        except WrongStep as error:
            log.info("nothing to start: %s", error)  # somebody was quicker


def _start(
    issue_id: int, who: str, now: datetime, scheduled_at: datetime | None, seen: str | None
) -> Issue:
    for attempt in range(1, TRIES + 1):
        try:
            with transaction(snapshot=True):
                if scheduled_at:
                    schedule.check_still_due(issue_id, scheduled_at)
                if seen is not None:
                    schedule.check_as_approved(issue_id, seen)
                issue = start_sending(issue_id, now=now)
                audit.note(who, "Sending started.", now=now, issue_id=issue_id)
                return issue
        except OperationalError as error:
            if not _was_overtaken(error) or attempt == TRIES:
                raise
            log.info("issue %d changed while it was started; again", issue_id)
    raise AssertionError  # the last try returns or raises


def _was_overtaken(error: OperationalError) -> bool:
    return getattr(error.orig, "sqlstate", None) == SERIALIZATION_FAILURE
