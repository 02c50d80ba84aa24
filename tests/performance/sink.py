"""The sink of `sink.c` as a context: compiled when its source is newer, started on a free port."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

SOURCE = Path(__file__).with_name("sink.c")
PROGRAM = Path(__file__).parents[2] / ".cache" / "sink"


class NoCompiler(Exception):
    """There is nothing to compile the sink with."""


class Counts(NamedTuple):
    """What a sink was sent so far; times are those of `time.monotonic()`."""

    messages: int
    distinct: int
    duplicates: int
    without_key: int
    octets: int
    connections: int
    most_open: int
    first_at: float
    last_at: float
    cpu_seconds: float


def build() -> Path:
    """Compile the sink, unless that was done; raises `NoCompiler`."""
    if PROGRAM.exists() and PROGRAM.stat().st_mtime >= SOURCE.stat().st_mtime:
        return PROGRAM
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise NoCompiler(
            "The sink of the benchmark needs a C compiler; on Debian: apt-get install gcc libc6-dev"
        )
    PROGRAM.parent.mkdir(exist_ok=True)
    made = PROGRAM.with_suffix(f".{os.getpid()}")  # two may compile at once
    subprocess.run([compiler, "-O2", "-Wall", "-Wextra", "-o", made, SOURCE], check=True)
    made.replace(PROGRAM)
    return PROGRAM


class Sink:
    """A sink that runs; `header` tells messages apart, replies are held back for `delay` ms."""

    def __init__(
        self, *, delay: float = 0, pipelining: bool = True, header: str = "Message-ID"
    ) -> None:
        self._arguments = ["-d", str(delay), "-k", header, *([] if pipelining else ["-n"])]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [build(), *self._arguments], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        self._output = self._process.stdout
        self.port = int(self._output.readline())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait(timeout=10)
        self._output.close()

    @property
    def url(self) -> str:
        """Where a relay finds it."""
        return f"smtp://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def counts(self) -> Counts:
        """What came so far."""
        self._process.send_signal(signal.SIGUSR1)
        return Counts(**json.loads(self._output.readline()))
