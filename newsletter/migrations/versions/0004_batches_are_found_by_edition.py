"""Fan-out finds the batch of each reader by its edition and ordinal."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INDEX = "ix_batch_edition_id_ordinal"


def upgrade() -> None:
    op.create_index(op.f(INDEX), "batch", ["edition_id", "ordinal"])


def downgrade() -> None:
    op.drop_index(op.f(INDEX), table_name="batch")
