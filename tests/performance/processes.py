"""What processes cost, as the kernel counts it, and what machine they ran on."""

import os
import platform
import sqlite3
import tempfile
import timeit
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import perf_counter

from tests.running import alive

TICKS = os.sysconf("SC_CLK_TCK")  # of CPU time in a second
FLUSHES = 200
PAGE = 8192  # bytes


def family(pid: int) -> set[int]:
    """A process, those it started, and those that they started."""
    parents = {child: parent for child, (parent, _line) in alive().items()}
    found, newest = {pid}, {pid}
    while newest:
        newest = {child for child, parent in parents.items() if parent in newest}
        found |= newest
    return found


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and of all that it started, also of those that ended."""
    ticks = 0
    for member in family(pid):
        with suppress(FileNotFoundError, ProcessLookupError):
            fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:13]))  # utime, stime
            if member == pid:
                ticks += sum(map(int, fields[13:15]))  # of children that ended
    return ticks / TICKS


def peak_mb(pid: int) -> float:
    """The most memory that the largest process of a family ever held, in MB (10^6 bytes)."""
    return max(map(_peak_of_one, family(pid)))


def _peak_of_one(pid: int) -> float:
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def machine(folder: Path) -> Iterator[tuple[str, str]]:
    """What a figure depends on; `folder` is where the databases are."""
    info = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in info if line.startswith("model name")), "?")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    yield "CPU", f"{model}, {os.cpu_count()} cores"
    yield "memory", f"{memory:.0f} GB"
    yield "kernel", f"{platform.system()} {platform.release()}"
    yield (
        "Python",
        f"{platform.python_version()}; a loop of a million steps takes {_loop_seconds():.2f} s",
    )
    yield "SQLite", sqlite3.sqlite_version
    yield (
        "one flush to disk",
        f"{_flush_seconds(folder) * 1e3:.2f} ms (fdatasync of a page, median)",
    )


def _loop_seconds() -> float:
    """How fast this Python is: one that was built without profiling takes a third longer."""
    loop = "for n in range(1_000_000): seen[n & 255] = len(str(n))"
    return min(timeit.repeat(loop, "seen = {}", repeat=5, number=1))


def _flush_seconds(folder: Path) -> float:
    taken = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(FLUSHES):
            file.write(bytes(PAGE))
            file.flush()
            begun = perf_counter()
            os.fdatasync(file.fileno())
            taken.append(perf_counter() - begun)
    return sorted(taken)[FLUSHES // 2]
