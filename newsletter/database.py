"""The database: one typed base for all models, one way to write, on SQLite and PostgreSQL alike.

Every write happens inside `transaction()`, opened by an edge (view, task, command) and never by
a verb. On SQLite it is BEGIN IMMEDIATE: a deferred transaction that reads and then writes fails
at once under load, whatever the busy timeout.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from enum import Enum as PythonEnum
from enum import StrEnum
from time import monotonic
from typing import Any, ClassVar

import psycopg
import sqlalchemy as sa
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event
from sqlalchemy.engine import Connection, CursorResult, Dialect, Engine, ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError, OperationalError
from sqlalchemy.orm import DeclarativeBase, registry
from sqlalchemy.pool import ConnectionPoolEntry, Pool, PoolProxiedConnection

BUSY_TIMEOUT = 30_000  # milliseconds that a writer on SQLite waits for the one before
LONG_REST = 2.0  # seconds after which a connection is tried before it is used
WRITES = "newsletter_writes"
LIMITS = {  # of a connection to PostgreSQL, whose silence leaves leases to run out
    "connect_timeout": "5",  # seconds
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",  # milliseconds
}
LIMIT_IDLE_TRANSACTIONS = """
SELECT set_config('idle_in_transaction_session_timeout', '60s', false)
WHERE current_setting('idle_in_transaction_session_timeout') = '0'
"""
CUT_OFF = (  # two that psycopg takes for errors of ours, but the connection is of no use any more
    psycopg.errors.ReadOnlySqlTransaction,  # the server became a standby
    psycopg.errors.IdleInTransactionSessionTimeout,  # we were frozen, and it did not wait
)

_writes: ContextVar[bool] = ContextVar(WRITES, default=False)  # while a transaction begins


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An aware time in UTC; SQLite would give a naive one back."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive time, which would be a guess."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back that SQLite forgot."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


def _text_with_check(enum: type[PythonEnum]) -> sa.Enum:
    return sa.Enum(
        enum,
        native_enum=False,
        create_constraint=True,
        length=32,
        values_callable=lambda members: [member.value for member in members],
    )


class Base(DeclarativeBase):
    """What every model inherits: names for constraints, times in UTC, enums as checked text."""

    registry: ClassVar[registry] = registry(
        metadata=sa.MetaData(
            naming_convention={
                "ix": "ix_%(table_name)s_%(column_0_N_name)s",
                "uq": "uq_%(table_name)s_%(column_0_N_name)s",
                "ck": "ck_%(table_name)s_%(constraint_name)s",
                "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
                "pk": "pk_%(table_name)s",
            }
        ),
        type_annotation_map={
            datetime: UtcDateTime(),
            int: sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            str: sa.Text(),
            bytes: sa.LargeBinary(),
            dict[str, Any]: sa.JSON(),
            StrEnum: _text_with_check(StrEnum),
        },
    )


db = SQLAlchemy(
    model_class=Base,
    session_options={"expire_on_commit": False},
    disable_autonaming=True,
)
migrate = Migrate()


def limited(url: str) -> sa.URL:
    """The address of a database, with our limits of time where it says none of its own."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "postgresql":
        return parsed
    return parsed.set(query={**LIMITS, **parsed.query})


def end_read() -> None:
    """Let go of the connection before something that takes long; what was read stays.

    A transaction that idles for a minute is ended by PostgreSQL, whoever has it.
    """
    if db.session().in_transaction():
        db.session.commit()  # a rollback would expire the objects read


@contextmanager
def transaction(*, snapshot: bool = False) -> Iterator[None]:
    """Commit what the block did, or nothing of it; raises `RuntimeError` when nested.

    With `snapshot`, all statements see the database as it was at the first one (REPEATABLE READ);
    on PostgreSQL a row that somebody else changed meanwhile then raises
    `sqlalchemy.exc.OperationalError`. On SQLite a writer is alone anyway.
    """
    if db.session.info.get(WRITES):
        raise RuntimeError("a transaction is open already: only edges open one")
    end_read()
    db.session.info[WRITES] = True
    try:
        _begin(snapshot=snapshot)
        yield
        db.session.commit()
    except BaseException:
        db.session.rollback()
        raise
    finally:
        db.session.info[WRITES] = False


def _begin(*, snapshot: bool) -> None:
    options = {}
    if snapshot and db.engine.dialect.name == "postgresql":
        options = {"isolation_level": "REPEATABLE READ"}
    writes = _writes.set(True)
    try:
        db.session.connection(execution_options=options or None)
    finally:
        _writes.reset(writes)


def execute(statement: sa.Executable, values: Any = None) -> CursorResult[*tuple[Any, ...]]:
    """Run a statement in the open transaction, past the unit of work."""
    return db.session.connection().execute(statement, values)


def is_sqlite() -> bool:
    """Whether the one-file database is in use, for the few statements that differ."""
    return db.engine.dialect.name == "sqlite"


@event.listens_for(Engine, "connect")
def _prepare_sqlite(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    """Write-ahead log, foreign keys, patience; and leave BEGIN to us."""
    if not _is_of("sqlite3", connection):
        return
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA secure_delete = ON")  # what is erased is gone from the file, too
    cursor.close()


@event.listens_for(Engine, "connect")
def _limit_idle_transactions(connection: Any, _record: ConnectionPoolEntry) -> None:
    """Let PostgreSQL end what a frozen process began, and its locks; unless others limit it.

    By a statement: what stands in the address may be options of the operator's, and a pooler
    between us would refuse ours.
    """
    if _is_of("psycopg", connection):
        connection.autocommit = True
        connection.execute(LIMIT_IDLE_TRANSACTIONS)
        connection.autocommit = False


@event.listens_for(Pool, "checkin")
def _note_rest(_connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    record.info["rests_since"] = monotonic()


@event.listens_for(Pool, "checkout")
def _try_after_rest(
    connection: Any, record: ConnectionPoolEntry, _proxy: PoolProxiedConnection
) -> None:
    """A database may have restarted meanwhile; a connection in constant use finds out by itself."""
    rests_since = record.info.get("rests_since", monotonic())
    if monotonic() - rests_since > LONG_REST and _is_of("psycopg", connection):
        try:
            connection.execute("SELECT 1")
            connection.rollback()
        except psycopg.Error as error:
            raise DisconnectionError from error  # the pool makes a new one


def _is_of(driver: str, connection: object) -> bool:
    return type(connection).__module__.startswith(driver)


@event.listens_for(Engine, "begin")
def _begin_sqlite(connection: Connection) -> None:
    """Writers queue up from the start; readers never wait."""
    if connection.dialect.name == "sqlite":
        writes = _writes.get() or connection.get_execution_options().get(WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@event.listens_for(Engine, "handle_error")
def _leave_what_cut_us_off(context: ExceptionContext) -> OperationalError | None:
    """Connect anew, perhaps to another server, as after a connection that was lost."""
    error = context.original_exception
    if not isinstance(error, CUT_OFF):
        return None
    context.is_disconnect = True
    return OperationalError(context.statement, None, error, hide_parameters=True)


@event.listens_for(Engine, "handle_error")
def _hide_rows(context: ExceptionContext) -> None:
    """Cut from an error what PostgreSQL quotes of a row: it may be somebody's address."""
    for error in (context.original_exception, context.sqlalchemy_exception):
        if error and error.args and isinstance(error.args[0], str):
            error.args = (error.args[0].partition("\nDETAIL:")[0], *error.args[1:])
