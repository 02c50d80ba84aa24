"""Services that are there to be killed."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.parts import Postgres, SinkProcess, Valkey
from tests.chaos.sink import Order
from tests.chaos.world import CONNECTIONS, SECRET_KEY, Chance, Servers


@pytest.fixture
def chance() -> Chance:
    """Random moments."""
    return Chance(int(os.environ.get("CHAOS_SEED", secrets.randbelow(10**6))))


@pytest.fixture(scope="package")
def folder() -> Iterator[Path]:
    """A short path that PostgreSQL's own user may enter too."""
    path = Path(tempfile.mkdtemp(prefix="chaos-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="package")
def sink_process(folder: Path) -> Iterator[SinkProcess]:
    """The relay of the services here."""
    sink = SinkProcess(folder)
    try:
        sink.start()
        yield sink
    finally:
        sink.end()


@pytest.fixture(scope="package")
def postgres(folder: Path) -> Iterator[Postgres]:
    """A PostgreSQL that may be restarted."""
    server = Postgres(folder)
    try:
        server.start()
        yield server
    finally:
        server.end()


@pytest.fixture(scope="package")
def valkey(folder: Path) -> Iterator[Valkey]:
    """A Valkey that may be killed."""
    server = Valkey(folder)
    try:
        server.start()
        yield server
    finally:
        server.end()


@pytest.fixture(scope="package")
def prepared(
    folder: Path, postgres: Postgres, valkey: Valkey, sink_process: SinkProcess
) -> Iterator[Servers]:
    """A service on PostgreSQL with readers and drafts, of which nothing runs yet."""
    settings = {
        "SECRET_KEY": SECRET_KEY,
        "DATABASE_URL": postgres.create("chaos"),
        "REDIS_URL": valkey.url,
        "SMTP_URL": sink_process.url,
        "SMTP_CONNECTIONS": str(CONNECTIONS),
    }
    servers = Servers(folder, settings, sink_process, folder / "instance")
    try:
        servers.prepare()
        yield servers
    finally:
        servers.end()


@pytest.fixture
def servers(prepared: Servers) -> Servers:
    """The same at full strength, before a sink that behaves."""
    prepared.sink.order(Order())
    prepared.fill()
    return prepared
