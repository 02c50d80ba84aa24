"""A delivery has the issue and edition of its batch; fan-out finds that by an index."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BY_ORDINAL = "ix_batch_edition_id_ordinal"
WHOLE_KEY = "ix_batch_id_issue_id_edition_id"
OWN = ["batch_id", "issue_id", "edition_id"]
TO_BATCH = "fk_delivery_batch_id_issue_id_edition_id_batch"
ALONE = (("batch_id", "batch"), ("issue_id", "issue"), ("edition_id", "edition"))
KEEP = {"sqlite_autoincrement": True}


def upgrade() -> None:
    op.create_index(op.f(BY_ORDINAL), "batch", ["edition_id", "ordinal"])
    op.create_index(op.f(WHOLE_KEY), "batch", ["id", "issue_id", "edition_id"], unique=True)
    with op.batch_alter_table("delivery", table_kwargs=KEEP) as delivery:
        for column, table in ALONE:
            delivery.drop_constraint(op.f(f"fk_delivery_{column}_{table}"), type_="foreignkey")
        delivery.create_foreign_key(op.f(TO_BATCH), "batch", OWN, ["id", "issue_id", "edition_id"])


def downgrade() -> None:
    with op.batch_alter_table("delivery", table_kwargs=KEEP) as delivery:
        delivery.drop_constraint(op.f(TO_BATCH), type_="foreignkey")
        for column, table in ALONE:
            name = op.f(f"fk_delivery_{column}_{table}")
            delivery.create_foreign_key(name, table, [column], ["id"])
    op.drop_index(op.f(WHOLE_KEY), table_name="batch")
    op.drop_index(op.f(BY_ORDINAL), table_name="batch")
