"""The desk: who comes in and how, who writes what, revisions, approvals, images, reports."""

import sqlalchemy as sa
from alembic import op

from newsletter.database import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

KEEP = {"sqlite_autoincrement": True}
NOTICES = (
    *("confirmation", "welcome", "goodbye", "issue_test", "alarm"),
    *("links", "address_change", "address_changed"),
)
NEW_NOTICES = ("invitation", "password_reset", "account")
ROLES = ("author", "editor", "admin")
NEW_TABLES = (
    *("report_line", "link_check", "image_size", "image", "article_revision", "assignment"),
    *("password_reset", "invitation", "recovery_code", "editor_session"),
)
COUNTS = ("sent", "failed", "skipped", "in_doubt", "bounced", "unsubscribed")


def upgrade() -> None:
    _allow_notices((*NOTICES, *NEW_NOTICES))
    with op.batch_alter_table("editor", table_kwargs=KEEP) as editor:
        editor.drop_column("session_key")  # everybody logs in anew
        editor.add_column(sa.Column("name", sa.Text(), nullable=False, server_default=""))
        editor.add_column(sa.Column("totp_secret", sa.Text()))
        editor.add_column(_number("totp_step", nullable=True))
        editor.add_column(_time("ended_at", nullable=True))
    with op.batch_alter_table("editor", table_kwargs=KEEP) as editor:
        editor.alter_column("name", existing_type=sa.Text(), server_default=None)
    for column in ("deadline_at", "approved_at"):
        op.add_column("issue", _time(column, nullable=True))
    op.add_column("issue", sa.Column("approved_by", sa.Text()))
    op.add_column("subject", _number("version", server_default="1"))
    op.add_column("article", _number("version", server_default="0"))
    for column in ("revised", "approved"):
        op.add_column("article", _time(f"{column}_at", nullable=True))
        op.add_column("article", sa.Column(f"{column}_by", sa.Text()))
    _create_ways_in()
    _create_writing()
    _create_reports()


def downgrade() -> None:
    for table in NEW_TABLES:
        op.drop_table(table)
    for table, columns in {
        "article": ("approved_by", "approved_at", "revised_by", "revised_at", "version"),
        "subject": ("version",),
        "issue": ("approved_by", "approved_at", "deadline_at"),
    }.items():
        for column in columns:
            op.drop_column(table, column)
    op.execute("DELETE FROM editor WHERE ended_at IS NOT NULL")
    with op.batch_alter_table("editor", table_kwargs=KEEP) as editor:
        for column in ("ended_at", "totp_step", "totp_secret", "name"):
            editor.drop_column(column)
        editor.add_column(sa.Column("session_key", sa.Text(), nullable=False, server_default=""))
    op.execute("UPDATE editor SET session_key = password_hash")  # nobody's cookie holds that
    with op.batch_alter_table("editor", table_kwargs=KEEP) as editor:
        editor.alter_column("session_key", existing_type=sa.Text(), server_default=None)
    gone = ", ".join(map(repr, NEW_NOTICES))
    op.execute(f"DELETE FROM notice WHERE kind IN ({gone})")  # noqa: S608  # our own words
    _allow_notices(NOTICES)


def _create_ways_in() -> None:
    _create(
        "editor_session",
        _number("editor_id"),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        _words("browser"),
        _time("started_at"),
        _time("seen_at"),
        _time("proved_at", nullable=True),
        _refers("editor_session", "editor"),
        sa.UniqueConstraint("key_hash", name=op.f("uq_editor_session_key_hash")),
    )
    _create(
        "recovery_code",
        _number("editor_id"),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        _time("used_at", nullable=True),
        _refers("recovery_code", "editor"),
    )
    _create(
        "invitation",
        _number("nonce"),
        *map(_words, ("address", "address_key", "name")),
        sa.Column("role", sa.String(32), nullable=False),
        _words("invited_by"),
        _time("invited_at"),
        _time("accepted_at", nullable=True),
        _time("withdrawn_at", nullable=True),
        sa.CheckConstraint(f"role IN {ROLES!r}", name=op.f("ck_invitation_role")),
    )
    _create(
        "password_reset",
        _number("nonce"),
        _number("editor_id"),
        _time("asked_at"),
        _time("used_at", nullable=True),
        _refers("password_reset", "editor"),
    )
    for table in ("editor_session", "recovery_code", "password_reset"):
        op.create_index(f"ix_{table}_editor_id", table, ["editor_id"])
    op.create_table(
        "assignment",
        *map(_number, ("issue_id", "section_id", "editor_id")),
        *(_refers("assignment", table) for table in ("issue", "section", "editor")),
        _key("assignment", "issue_id", "section_id", "editor_id"),
    )


def _create_writing() -> None:
    _create(
        "article_revision",
        _number("issue_id"),
        _number("section_id"),
        _words("language"),
        _number("version"),
        _words("headline"),
        _words("body"),
        _time("begun_at"),
        _time("written_at"),
        _words("written_by"),
        *(_refers("article_revision", table) for table in ("issue", "section")),
        sa.UniqueConstraint(
            *("issue_id", "section_id", "language", "version"),
            name=op.f("uq_article_revision_issue_id_section_id_language_version"),
        ),
    )
    op.create_index("ix_article_revision_section_id", "article_revision", ["section_id"])
    _create(
        "image",
        _words("key"),
        _number("issue_id"),
        _time("uploaded_at"),
        _words("uploaded_by"),
        _refers("image", "issue"),
        sa.UniqueConstraint("key", name=op.f("uq_image_key")),
    )
    op.create_index("ix_image_issue_id", "image", ["issue_id"])
    op.create_table(
        "image_size",
        *map(_number, ("image_id", "width", "height")),
        _words("media_type"),
        _number("octets"),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        _refers("image_size", "image"),
        _key("image_size", "image_id", "width"),
    )
    op.create_table(
        "link_check",
        _words("url"),
        _time("checked_at"),
        _words("fault"),
        _key("link_check", "url"),
    )


def _create_reports() -> None:
    op.create_table(
        "report_line",
        _number("issue_id"),
        _words("dimension"),
        _words("name"),
        _time("counted_at"),
        *map(_number, COUNTS),
        _refers("report_line", "issue"),
        _key("report_line", "issue_id", "dimension", "name"),
    )


def _create(table: str, *columns: sa.schema.SchemaItem) -> None:
    """A table with a number of its own."""
    op.create_table(table, _number("id"), *columns, _key(table, "id"), **KEEP)


def _number(
    name: str, *, nullable: bool = False, server_default: str | None = None
) -> "sa.Column[int]":
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column(name, kind, nullable=nullable, server_default=server_default)


def _words(name: str) -> "sa.Column[str]":
    return sa.Column(name, sa.Text(), nullable=False)


def _time(name: str, *, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column(name, UtcDateTime(timezone=True), nullable=nullable)


def _refers(table: str, to: str) -> sa.ForeignKeyConstraint:
    column = f"{to}_id"
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}_{to}"))


def _key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=op.f(f"pk_{table}"))


def _allow_notices(kinds: tuple[str, ...]) -> None:
    check = op.f("ck_notice_noticekind")
    with op.batch_alter_table("notice", table_kwargs=KEEP) as notice:
        notice.drop_constraint(check, type_="check")
        notice.create_check_constraint(check, f"kind IN ({', '.join(map(repr, kinds))})")
