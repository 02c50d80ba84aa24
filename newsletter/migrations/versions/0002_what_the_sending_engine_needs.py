"""What the sending engine needs."""

import sqlalchemy as sa
from alembic import op

from newsletter.database import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("issue_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column(
            "delivery_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entry")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_entry_issue_id", "audit_entry", ["issue_id"])
    op.create_table(
        "relay_state",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("failures", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("rests_until", UtcDateTime(timezone=True), nullable=True),
        sa.Column("probed_by", sa.Text(), nullable=True),
        sa.Column("probe_until", UtcDateTime(timezone=True), nullable=True),
        sa.Column("said", sa.Text(), nullable=True),
        sa.Column("failing_since", UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_relay_state")),
    )
    op.create_table(
        "answer_tally",
        sa.Column("issue_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("relay", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("accepted", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("not_now", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("never", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("in_doubt", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(
            ["issue_id"], ["issue.id"], name=op.f("fk_answer_tally_issue_id_issue")
        ),
        sa.PrimaryKeyConstraint("issue_id", "relay", "domain", name=op.f("pk_answer_tally")),
    )
    op.create_table(
        "bounce",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "subscriber_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column(
            "delivery_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column(
            "kind",
            sa.Enum(
                "hard",
                "soft",
                name="bouncekind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscriber.id"], name=op.f("fk_bounce_subscriber_id_subscriber")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bounce")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_bounce_delivery_id", "bounce", ["delivery_id"])
    op.create_index("ix_bounce_subscriber_id", "bounce", ["subscriber_id"])
    op.create_table(
        "progress_sample",
        sa.Column("issue_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("settled", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(
            ["issue_id"], ["issue.id"], name=op.f("fk_progress_sample_issue_id_issue")
        ),
        sa.PrimaryKeyConstraint("issue_id", "at", name=op.f("pk_progress_sample")),
    )
    op.create_table(
        "trouble",
        sa.Column("issue_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("first_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("last_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("count", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["issue_id"], ["issue.id"], name=op.f("fk_trouble_issue_id_issue")),
        sa.PrimaryKeyConstraint("issue_id", "kind", name=op.f("pk_trouble")),
    )
    op.add_column("issue", sa.Column("scheduled_at", UtcDateTime(timezone=True)))
    op.add_column("issue", sa.Column("paused_because", sa.Text()))
    op.add_column("issue", sa.Column("told_at", UtcDateTime(timezone=True)))


def downgrade() -> None:
    for column in ("told_at", "paused_because", "scheduled_at"):
        op.drop_column("issue", column)
    for table in (
        "trouble",
        "progress_sample",
        "bounce",
        "answer_tally",
        "relay_state",
        "audit_entry",
    ):
        op.drop_table(table)
