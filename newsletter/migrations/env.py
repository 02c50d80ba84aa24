"""How Alembic reaches our database: always through the application, never offline.

Two processes may upgrade at the same moment (web servers of a new release): on PostgreSQL the
second one waits for the first at an advisory lock; on SQLite, at BEGIN IMMEDIATE.
"""

from alembic import context
from flask import current_app
from sqlalchemy import text

from newsletter.database import WRITES, db

UPGRADE_LOCK = 7_103_310


def run_migrations() -> None:
    """Run what is missing in one transaction."""
    options = current_app.extensions["migrate"].configure_args
    with db.engine.connect().execution_options(**{WRITES: True}) as connection:
        context.configure(connection=connection, target_metadata=db.metadata, **options)
        with connection.begin(), context.begin_transaction():
            if connection.dialect.name == "postgresql":
                connection.execute(text(f"SELECT pg_advisory_xact_lock({UPGRADE_LOCK})"))
            context.run_migrations()


run_migrations()
