"""Issues as readers find them: imported from files and, where a test wants it, sent."""

from datetime import UTC, date, datetime

from newsletter.database import transaction
from newsletter.delivery.fanout import start_sending
from newsletter.issues.editing import import_issue
from newsletter.issues.models import Issue
from tests.issue_files import TUESDAY, issue_file, sample

NOON = datetime(2026, 11, 17, 12, 0, tzinfo=UTC)


def publish(*files: bytes, now: datetime = NOON) -> Issue:
    """Import one issue from its files, a language each, and press Send."""
    with transaction():
        issue = [import_issue(file, now=now) for file in files][-1]
    with transaction():
        return start_sending(issue.id, now=now)


def publish_sample() -> Issue:
    """The invented issue 87, in English and, but for one section, in Arabic."""
    return publish(sample("en"), sample("ar"))


def publish_week(number: int, subject: str = "A quiet week", day: date = TUESDAY) -> Issue:
    """A small issue of one section."""
    return publish(issue_file(number=number, subject=subject, day=day))


def draft(*files: bytes) -> None:
    """Import an issue and leave it at that."""
    with transaction():
        for file in files:
            import_issue(file, now=NOON)
