"""How Alembic reaches our database: always through the application, never offline.

Two processes may upgrade at the same moment (web servers of a new release): on PostgreSQL the
second one waits for the first at an advisory lock; on SQLite, at BEGIN IMMEDIATE. An upgrade may
think for as long as it wants between two statements.

SQLite changes a table by making it anew, so its foreign keys rest meanwhile and are checked at
the end (https://www.sqlite.org/lang_altertable.html, section 7).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import context
from flask import current_app
from sqlalchemy import text
from sqlalchemy.engine import Connection

from newsletter.database import WRITES, db

UPGRADE_LOCK = 7_103_310


def run_migrations() -> None:
    """Run what is missing in one transaction."""
    options = current_app.extensions["migrate"].configure_args
    with db.engine.connect().execution_options(**{WRITES: True}) as connection:
        context.configure(connection=connection, target_metadata=db.metadata, **options)
        with _foreign_keys_rest(connection), connection.begin(), context.begin_transaction():
            if connection.dialect.name == "postgresql":
                connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
                connection.execute(text(f"SELECT pg_advisory_xact_lock({UPGRADE_LOCK})"))
            context.run_migrations()
            _check_foreign_keys(connection)


@contextmanager
def _foreign_keys_rest(connection: Connection) -> Iterator[None]:
    """Outside of a transaction, or SQLite ignores it; so not by SQLAlchemy, which begins one."""
    if connection.dialect.name != "sqlite":
        yield
        return
    cursor = connection.connection.cursor()
    cursor.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
    finally:
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()


def _check_foreign_keys(connection: Connection) -> None:
    """Raises `RuntimeError`, and so nothing is kept, if a row now refers to one that is not."""
    if connection.dialect.name != "sqlite":
        return
    if torn := connection.execute(text("PRAGMA foreign_key_check")).all():
        raise RuntimeError(f"{len(torn)} rows would lose what they refer to, the first: {torn[0]}")


run_migrations()
