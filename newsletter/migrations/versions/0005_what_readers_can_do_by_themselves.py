"""What readers can do by themselves: pause, move to another address, be erased, ask for links."""

import sqlalchemy as sa
from alembic import op

from newsletter.database import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

KEEP = {"sqlite_autoincrement": True}
NOTICES = ("confirmation", "welcome", "goodbye", "issue_test", "alarm")
CONSENTS = ("asked", "confirmed", "imported", "changed", "unsubscribed", "suppressed")
SUPPRESSIONS = ("hard_bounce", "complaint", "manual", "never_again")
STATES = ("pending", "confirmed", "unsubscribed")
CHECKED = (
    ("notice", "kind", "noticekind", NOTICES, ("links", "address_change", "address_changed")),
    ("consent_event", "kind", "consentkind", CONSENTS, ("paused", "moved", "erased")),
    ("suppression", "reason", "suppressionreason", SUPPRESSIONS, ("erased",)),
    ("subscriber", "state", "subscriberstate", STATES, ("erased",)),
)
KNOWN, FORGOTTEN = "ck_subscriber_is_known", "ck_subscriber_is_forgotten"


def upgrade() -> None:
    for table, column, name, before, new in CHECKED:
        _allow(table, column, name, (*before, *new))
    with op.batch_alter_table("subscriber", table_kwargs=KEEP) as subscriber:
        subscriber.add_column(sa.Column("paused_until", UtcDateTime(timezone=True)))
        subscriber.alter_column("address_key", existing_type=sa.Text(), nullable=True)
        subscriber.create_check_constraint(
            op.f(KNOWN), "state = 'erased' OR address_key IS NOT NULL"
        )
        subscriber.create_check_constraint(
            op.f(FORGOTTEN), "state <> 'erased' OR (address = '' AND address_key IS NULL)"
        )
    op.create_table(
        "address_change",
        _number("id"),
        _number("nonce"),
        _number("subscriber_id"),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("address_key", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("asked_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("answered_at", UtcDateTime(timezone=True)),
        sa.Column("confirmed_at", UtcDateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["subscriber_id"],
            ["subscriber.id"],
            name=op.f("fk_address_change_subscriber_id_subscriber"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_address_change")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_address_change_subscriber_id", "address_change", ["subscriber_id"])
    op.create_table(
        "links_request",
        _number("id"),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("address_key", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("asked_at", UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_links_request")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "signup_attack",
        _number("id"),
        sa.Column("began_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("until", UtcDateTime(timezone=True), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("told_at", UtcDateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signup_attack")),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    """Raises `RuntimeError` once somebody was erased: that row has no address to go back to."""
    erased = sa.text("SELECT count(*) FROM subscriber WHERE state = 'erased'")
    if op.get_bind().execute(erased).scalar():
        raise RuntimeError("somebody was erased; there is no way back to before")
    for table in ("signup_attack", "links_request", "address_change"):
        op.drop_table(table)
    with op.batch_alter_table("subscriber", table_kwargs=KEEP) as subscriber:
        for name in (KNOWN, FORGOTTEN):
            subscriber.drop_constraint(op.f(name), type_="check")
        subscriber.alter_column("address_key", existing_type=sa.Text(), nullable=False)
        subscriber.drop_column("paused_until")
    for table, column, name, before, new in CHECKED:
        gone = ", ".join(map(repr, (*new, "")))
        op.execute(f"DELETE FROM {table} WHERE {column} IN ({gone})")  # noqa: S608  # our own words
        _allow(table, column, name, before)


def _number(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False)


def _allow(table: str, column: str, name: str, words: tuple[str, ...]) -> None:
    check = op.f(f"ck_{table}_{name}")
    with op.batch_alter_table(table, table_kwargs=KEEP) as changed:
        changed.drop_constraint(check, type_="check")
        changed.create_check_constraint(check, f"{column} IN ({', '.join(map(repr, words))})")
