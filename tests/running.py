"""`newsletter run` in a process of its own, as an operator starts it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

COMMAND = (sys.executable, "-c", "from newsletter.cli import main; main()")
ROOT = Path(__file__).parents[1]
PATIENCE = 120.0  # seconds; a machine with one busy core is slow to start eight processes


def wait_until(holds: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Give what `holds` gives, once that is something; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.05)
    return found


def environment(instance: Path, **settings: str) -> dict[str, str]:
    """Our settings and no others, whatever the tester's own may be."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NEWSLETTER_")}
    ours = {"INSTANCE_PATH": str(instance), "ENV_FILE": str(instance / "no.env"), **settings}
    return (
        kept
        | {f"NEWSLETTER_{name}": value for name, value in ours.items()}
        | {"PYTHONPATH": str(ROOT)}
    )


def newsletter(
    instance: Path, *arguments: str, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(instance, **settings),
        cwd=instance.parent,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def alive() -> dict[int, tuple[int, str]]:
    """Every process of this machine that is no zombie: its parent and its command line."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if state != "Z":
                found[int(folder.name)] = (int(parent), line)
    return found


class RunningService:
    """A context in which the whole service runs, on a free port."""

    def __init__(self, instance: Path, *arguments: str, cwd: Path, **settings: str) -> None:
        self.instance = instance
        self._said: list[str] = []
        self._command = [*COMMAND, "run", "--port", "0", *arguments]
        self._environment = environment(instance, **settings)
        self._cwd = cwd

    def __enter__(self) -> "RunningService":
        self.process = subprocess.Popen(
            self._command,
            env=self._environment,
            cwd=self._cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._listen, daemon=True).start()
        wait_until(
            lambda: self.process.poll() is not None or self._is_ready(), "the service starts"
        )
        assert self.process.poll() is None, "".join(self._said)
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()

    @property
    def output(self) -> str:
        """All that it said so far."""
        return "".join(self._said)

    @property
    def port(self) -> int:
        """Where the web server listens."""
        site = next(line for line in self._said if line.startswith("Site"))
        return int(site.strip().rstrip("/").rpartition(":")[2])

    def get(self, path: str, host: str = "127.0.0.1") -> tuple[int, str]:
        """Status and body of a page."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path, headers={"Host": host})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def is_healthy(self) -> bool:
        """Whether /healthz says so."""
        try:
            return self.get("/healthz")[0] == 200
        except (OSError, HTTPException):
            return False

    def processes(self) -> set[int]:
        """All that it started, and what those started."""
        found: set[int] = set()
        newest = {self.process.pid}
        while newest:
            newest = {pid for pid, (parent, _) in alive().items() if parent in newest}
            found |= newest
        return found

    def child(self, word: str) -> int | None:
        """The direct child with this word on its command line."""
        children = (
            (pid, line) for pid, (parent, line) in alive().items() if parent == self.process.pid
        )
        return next((pid for pid, line in children if word in line), None)

    def _is_ready(self) -> bool:
        return any(line.startswith("Ctrl-C") for line in self._said)

    def _listen(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._said.append(line)
