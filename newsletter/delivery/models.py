"""The ledger: deliveries, the batches they are taken in, tallies, sender slots.

Beside it what helps to look at a sending, and what is known of the relays.
"""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from newsletter.database import Base


class DeliveryState(StrEnum):
    """Where a delivery stands; every one ends as sent, failed, skipped or in doubt."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    SKIPPED = "skipped"
    IN_DOUBT = "in_doubt"


class Batch(Base):
    """At most 500 deliveries of one edition; what a worker leases.

    `fence` rises with every taker: whoever holds an old one may write nothing any more.
    """

    __tablename__ = "batch"
    __table_args__ = (
        Index(
            None,
            "issue_id",
            postgresql_where=text("finished_at IS NULL"),
            sqlite_where=text("finished_at IS NULL"),
        ),
        Index(None, "edition_id", "ordinal"),  # by which fan-out finds it, once per delivery
        Index(None, "id", "issue_id", "edition_id", unique=True),  # what a delivery refers to
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id"))
    edition_id: Mapped[int] = mapped_column(ForeignKey("edition.id"))
    ordinal: Mapped[int]
    lease_until: Mapped[datetime | None]
    fence: Mapped[int] = mapped_column(default=0)
    finished_at: Mapped[datetime | None]


class Delivery(Base):
    """One issue on its way to one subscriber; never two rows for the same pair.

    `dated_at` is the Date of the message, fixed at the first attempt; `marked_at` says since when
    the final dot may have left. `due_at` is when to cut it into a new batch, and forgotten then: it
    waits for its next attempt, for the pace of its domain, or because somebody sends it again.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        UniqueConstraint("issue_id", "subscriber_id"),
        ForeignKeyConstraint(  # one look-up per delivery at fan-out instead of three
            ["batch_id", "issue_id", "edition_id"],
            ["batch.id", "batch.issue_id", "batch.edition_id"],
        ),
        CheckConstraint("state <> 'sending' OR marked_at IS NOT NULL", name="is_marked"),
        CheckConstraint("state <> 'in_doubt' OR marked_at IS NOT NULL", name="doubt_was_marked"),
        Index(
            None,
            "due_at",
            postgresql_where=text("due_at IS NOT NULL"),
            sqlite_where=text("due_at IS NOT NULL"),
        ),
        {"sqlite_autoincrement": True, "postgresql_with": {"fillfactor": 50}},
    )  # no index names the state: marks and answers stay in-place updates

    id: Mapped[int] = mapped_column(primary_key=True)
    issue_id: Mapped[int]
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscriber.id"), index=True)
    edition_id: Mapped[int]
    batch_id: Mapped[int] = mapped_column(index=True)
    state: Mapped[DeliveryState] = mapped_column(default=DeliveryState.QUEUED)
    attempts: Mapped[int] = mapped_column(default=0)
    dated_at: Mapped[datetime | None]
    marked_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    answer: Mapped[str | None]


class Tally(Base):
    """What one sender slot changed in an issue's counts; the counts are the sums over all slots.

    One row per slot, so that no row is hot: a delivery that goes from queued to sent is -1 and +1.
    Slot 0 belongs to fan-out and the clock.
    """

    __tablename__ = "tally"

    issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id"), primary_key=True)
    slot: Mapped[int] = mapped_column(primary_key=True)
    queued: Mapped[int] = mapped_column(default=0)
    sending: Mapped[int] = mapped_column(default=0)
    sent: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    skipped: Mapped[int] = mapped_column(default=0)
    in_doubt: Mapped[int] = mapped_column(default=0)


class SenderSlot(Base):
    """Leave for one process to send one issue, as long as its heart beats."""

    __tablename__ = "sender_slot"
    __table_args__ = (CheckConstraint("slot > 0", name="slot_is_positive"),)

    issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id"), primary_key=True)
    slot: Mapped[int] = mapped_column(primary_key=True)
    holder: Mapped[str | None]
    alive_until: Mapped[datetime | None]


class AnswerTally(Base):
    """What a relay said to the mails for one recipient domain, counted.

    To be looked at, never for accounting: a process that dies takes its last seconds with it.
    """

    __tablename__ = "answer_tally"

    issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id"), primary_key=True)
    relay: Mapped[str] = mapped_column(primary_key=True)
    domain: Mapped[str] = mapped_column(primary_key=True)
    accepted: Mapped[int] = mapped_column(default=0)
    not_now: Mapped[int] = mapped_column(default=0)
    never: Mapped[int] = mapped_column(default=0)
    in_doubt: Mapped[int] = mapped_column(default=0)


class Trouble(Base):
    """One kind of answer that was no success: the first one's text, and how often it came.

    `kind` is made of outcome, stage and both codes. Counted as loosely as `AnswerTally`.
    """

    __tablename__ = "trouble"

    issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    text: Mapped[str]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    count: Mapped[int] = mapped_column(default=0)


class ProgressSample(Base):
    """How many deliveries of an issue were settled at one moment, for rate and chart."""

    __tablename__ = "progress_sample"

    issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id"), primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    settled: Mapped[int]


class RelayState(Base):
    """Whether a relay works: how often in a row it failed us, and until when it is left alone.

    After the rest one process, `probed_by`, may try it alone until `probe_until`.
    """

    __tablename__ = "relay_state"

    name: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int] = mapped_column(default=0)
    rests_until: Mapped[datetime | None]
    probed_by: Mapped[str | None]
    probe_until: Mapped[datetime | None]
    said: Mapped[str | None]
    failing_since: Mapped[datetime | None]


class ReportLine(Base):
    """What became of an issue for the readers of one kind, as last counted.

    `dimension` is what they are told apart by (language, sections, format, domain), `name` which
    of them these are.
    """

    __tablename__ = "report_line"

    issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id"), primary_key=True)
    dimension: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    counted_at: Mapped[datetime]
    sent: Mapped[int]
    failed: Mapped[int]
    skipped: Mapped[int]
    in_doubt: Mapped[int]
    bounced: Mapped[int]
    complained: Mapped[int]
    unsubscribed: Mapped[int]
