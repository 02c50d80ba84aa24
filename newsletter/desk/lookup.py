"""Find the issue that an address or a form names, as it is now."""

from datetime import UTC, datetime

from flask import abort
from sqlalchemy import select

from newsletter.database import db
from newsletter.issues.models import Issue

ISSUE = "/issues/<int(max=999999):number>"
LONGEST_NUMBER = 6  # digits
LONGEST_ID = 18  # digits


def find_issue(number: int) -> Issue:
    """The issue of that number as it is now; 404 if there is none."""
    found = db.session.scalar(select(Issue).where(Issue.number == number))
    return found or abort(404)


def typed_number(typed: str) -> int | None:
    """The number of an issue as it was typed, in Western or Arabic digits."""
    typed = typed.strip()
    return int(typed) if typed.isdecimal() and len(typed) <= LONGEST_NUMBER else None


def typed_id(typed: str) -> int | None:
    """A number of ours, such as an id or a version, as a form holds it; None for anything else."""
    return int(typed) if typed.isdecimal() and len(typed) <= LONGEST_ID else None


def now() -> datetime:
    """The clock of the desk."""
    return datetime.now(UTC)
