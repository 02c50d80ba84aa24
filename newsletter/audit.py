"""The audit log: who did what, and when. Only ever added to."""

from datetime import datetime

from sqlalchemy import Index, select
from sqlalchemy.orm import Mapped, mapped_column

from newsletter.database import Base, db

COMMAND_LINE = "command line"
POLICY = "policy"  # the service itself, by its rules and settings


class AuditEntry(Base):
    """One act that changed something.

    `who` is an editor's address, or `command line`, or `policy`; `what` is a sentence. It names
    rows by their numbers and refers to none, so that it outlives them.
    """

    __tablename__ = "audit_entry"
    __table_args__ = (Index(None, "issue_id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    who: Mapped[str]
    what: Mapped[str]
    issue_id: Mapped[int | None]
    delivery_id: Mapped[int | None]


def note(
    who: str,
    what: str,
    *,
    now: datetime,
    issue_id: int | None = None,
    delivery_id: int | None = None,
) -> None:
    """Add a line, in the transaction of what it tells about."""
    db.session.add(
        AuditEntry(at=now, who=who, what=what, issue_id=issue_id, delivery_id=delivery_id)
    )


def of_issue(issue_id: int) -> list[AuditEntry]:
    """What was done about an issue, the first act first."""
    entries = select(AuditEntry).where(AuditEntry.issue_id == issue_id).order_by(AuditEntry.id)
    return list(db.session.scalars(entries))


def older_than(
    before: int | None,
    *,
    who: str | None = None,
    issue_id: int | None = None,
    within: tuple[datetime, datetime] | None = None,
    limit: int,
) -> list[AuditEntry]:
    """Acts with an id under `before`, the latest first; by one person, about one issue, in a time.

    The time is from the first moment on and before the second one.
    """
    conditions = []
    if before is not None:
        conditions.append(AuditEntry.id < before)
    if who is not None:
        conditions.append(AuditEntry.who == who)
    if issue_id is not None:
        conditions.append(AuditEntry.issue_id == issue_id)
    if within is not None:
        conditions += [AuditEntry.at >= within[0], AuditEntry.at < within[1]]
    query = select(AuditEntry).where(*conditions).order_by(AuditEntry.id.desc()).limit(limit)
    return list(db.session.scalars(query))
