"""A notice: one mail that is not an issue."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from newsletter.database import Base


class NoticeKind(StrEnum):
    """What a notice is about."""

    CONFIRMATION = "confirmation"
    WELCOME = "welcome"
    GOODBYE = "goodbye"
    ISSUE_TEST = "issue_test"
    ALARM = "alarm"
    LINKS = "links"
    ADDRESS_CHANGE = "address_change"
    ADDRESS_CHANGED = "address_changed"
    INVITATION = "invitation"
    PASSWORD_RESET = "password_reset"  # noqa: S105 - the kind of a mail
    ACCOUNT = "account"


class NoticeState(StrEnum):
    """Where a notice stands; one in doubt is queued again, with the same Message-ID."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"


class Notice(Base):
    """One mail that is owed to one address, written when it was owed.

    `recipient` and `message` (the finished bytes) are forgotten once it is sent or has failed;
    `counting_key`, a keyed hash, stays for the caps on confirmations.
    """

    __tablename__ = "notice"
    __table_args__ = (
        CheckConstraint(
            "state IN ('sent', 'failed') OR "
            "(recipient IS NOT NULL AND message IS NOT NULL AND due_at IS NOT NULL)",
            name="can_be_sent",
        ),
        CheckConstraint("state <> 'sending' OR marked_at IS NOT NULL", name="is_marked"),
        Index(
            None,
            "due_at",
            postgresql_where=text("due_at IS NOT NULL"),
            sqlite_where=text("due_at IS NOT NULL"),
        ),
        Index(None, "counting_key", "created_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[NoticeKind]
    state: Mapped[NoticeState] = mapped_column(default=NoticeState.QUEUED)
    recipient: Mapped[str | None]
    message: Mapped[bytes | None]
    counting_key: Mapped[str | None]
    created_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None]
    fence: Mapped[int] = mapped_column(default=0)
    marked_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    answer: Mapped[str | None]
