"""Editors may have the desk in their own language, and its times by their own clock."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

COLUMNS = ("language", "time_zone")


def upgrade() -> None:
    for column in COLUMNS:
        op.add_column("editor", sa.Column(column, sa.Text()))


def downgrade() -> None:
    for column in COLUMNS:
        op.drop_column("editor", column)
