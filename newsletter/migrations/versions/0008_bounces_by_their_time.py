"""Bounces can be found by their time, so that nobody looks through those of all years."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_bounce_at", "bounce", ["at"])


def downgrade() -> None:
    op.drop_index("ix_bounce_at", "bounce")
