"""The report of an issue tells complaints by kind of reader, too."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    complained = sa.Column("complained", sa.Integer(), nullable=False, server_default="0")
    op.add_column("report_line", complained)
    with op.batch_alter_table("report_line") as table:
        table.alter_column("complained", server_default=None)


def downgrade() -> None:
    op.drop_column("report_line", "complained")
