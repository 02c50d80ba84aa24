"""A notice may tell editors that an issue needs them."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BEFORE = ("confirmation", "welcome", "goodbye", "issue_test")
AFTER = (*BEFORE, "alarm")


def upgrade() -> None:
    _allow(AFTER)


def downgrade() -> None:
    op.execute("DELETE FROM notice WHERE kind = 'alarm'")
    _allow(BEFORE)


def _allow(kinds: tuple[str, ...]) -> None:
    one_of = f"kind IN ({', '.join(repr(kind) for kind in kinds)})"
    with op.batch_alter_table("notice", table_kwargs={"sqlite_autoincrement": True}) as notice:
        notice.drop_constraint(op.f("ck_notice_noticekind"), type_="check")
        notice.create_check_constraint(op.f("ck_notice_noticekind"), one_of)
