"""Start processes, start them again when they crash, and let none outlive us.

Every child leads a process group of its own, so that Ctrl-C in a terminal reaches us alone and we
choose the order of the end. On Linux the kernel tells each child when we die, however that
happens; what it forks has to notice the death of its own parent (Celery and gunicorn do).
"""

import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import click

SHORTEST_PAUSE = 1.0  # seconds before a crashed child is started again; doubled each time …
LONGEST_PAUSE = 30.0
LONG_LIFE = 60.0  # … until it has lived this long
HEARTBEAT = 0.25  # seconds between two looks when nothing happens
PR_SET_PDEATHSIG = 1
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True)
class Program:
    """What to start; `when_orphaned` is the signal it gets when we die before it."""

    name: str
    arguments: tuple[str, ...]
    when_orphaned: signal.Signals = signal.SIGTERM
    inherits: tuple[int, ...] = ()  # file descriptors


@dataclass
class Child:
    """A program and the process that is running it now, if any."""

    program: Program
    process: subprocess.Popen[bytes]
    started_at: float
    start_again_at: float | None = None
    pause: float = field(default=SHORTEST_PAUSE)

    def end(self, *, politely: bool) -> None:
        """Ask the process to end, or end it together with everything it started."""
        with suppress(ProcessLookupError):
            if politely:
                self.process.terminate()
            else:
                os.killpg(self.process.pid, signal.SIGKILL)


class Supervisor:
    """Keeps programs running until this process is asked to end.

    Use it as a context: inside, SIGTERM, SIGINT and SIGHUP make `watch` return False.
    """

    def __init__(self, *, cwd: Path, environment: Mapping[str, str], logs: Path) -> None:
        self._cwd = cwd
        self._environment = dict(environment)
        self._logs = logs
        self._children: dict[str, Child] = {}
        self.is_ending = False
        self._wakes, self._woken = socket.socketpair()

    def __enter__(self) -> "Supervisor":
        for end in (self._wakes, self._woken):
            end.settimeout(0)
        signal.set_wakeup_fd(self._woken.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in ENDING:
            signal.signal(number, self._end)
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children.values():
            child.end(politely=False)
            child.process.wait()
        for number in (signal.SIGCHLD, *ENDING):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        self._wakes.close()
        self._woken.close()

    def start(self, program: Program) -> None:
        """Start a program, and from now on start it again when it ends by itself."""
        self._children[program.name] = Child(program, self._spawn(program), time.monotonic())

    def watch(self, until: Callable[[], bool], *, seconds: float = float("inf")) -> bool:
        """Keep the programs running until something holds.

        False when this process was asked to end, or when it took longer than `seconds`.
        """
        deadline = time.monotonic() + seconds
        while not self.is_ending and time.monotonic() < deadline:
            self._tend()
            if until():
                return True
            self._sleep()
        return False

    def stop(self, names: Iterable[str], *, seconds: float) -> None:
        """Ask programs to end; after `seconds`, end them with everything they started."""
        ending = [self._children.pop(name) for name in names if name in self._children]
        for child in ending:
            child.end(politely=True)
        deadline = time.monotonic() + seconds
        while any(child.process.poll() is None for child in ending):
            if time.monotonic() >= deadline:
                break
            self._sleep()
        for child in ending:
            child.end(politely=False)
            child.process.wait()

    def _tend(self) -> None:
        for child in self._children.values():
            now = time.monotonic()
            if child.start_again_at is None and child.process.poll() is not None:
                self._mourn(child, now)
            elif child.start_again_at is not None and now >= child.start_again_at:
                child.process = self._spawn(child.program)
                child.started_at, child.start_again_at = now, None

    def _mourn(self, child: Child, now: float) -> None:
        child.end(politely=False)  # what it had started itself
        if now - child.started_at > LONG_LIFE:
            child.pause = SHORTEST_PAUSE
        child.start_again_at = now + child.pause
        click.echo(
            f"newsletter: {child.program.name} {_manner(child.process.returncode)}; "
            f"it starts again in {child.pause:.0f} s (see {self._log(child.program)})",
            err=True,
        )
        child.pause = min(2 * child.pause, LONGEST_PAUSE)

    def _spawn(self, program: Program) -> subprocess.Popen[bytes]:
        us = os.getpid()
        with self._log(program).open("ab") as log:
            return subprocess.Popen(
                program.arguments,
                cwd=self._cwd,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
                pass_fds=program.inherits,
                preexec_fn=lambda: die_with(us, program.when_orphaned),  # noqa: PLW1509  # we have one thread
            )

    def _log(self, program: Program) -> Path:
        return self._logs / f"{program.name}.log"

    def _sleep(self) -> None:
        """Until a signal comes, but not for long."""
        if select.select([self._wakes], [], [], HEARTBEAT)[0]:
            self._wakes.recv(4096)

    def _end(self, *_: object) -> None:
        self.is_ending = True


def die_with(parent: int, number: signal.Signals) -> None:
    """In a new child: ask the kernel for a signal when the parent dies (Linux; see prctl(2))."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


def _manner(status: int) -> str:
    """How a process ended, in words."""
    return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with {status}"
