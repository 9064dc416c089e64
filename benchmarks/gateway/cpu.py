"""What processes use: CPU to the nanosecond, memory, and who listens on a port."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")
_LISTEN = "0A"


def seconds(pids: Iterable[int]) -> float:
    """CPU time of all threads of these processes, kernel and user, those that ended included."""
    return sum(_clock(pid) for pid in pids)


def living(pids: Iterable[int]) -> list[int]:
    return [pid for pid in pids if (PROC / f"{pid}").exists()]


def core_busy_seconds(core: int) -> float:
    """How long this core has worked, for whomever."""
    lines = (PROC / "stat").read_text().splitlines()
    fields = next(line for line in lines if line.startswith(f"cpu{core} ")).split()[1:]
    idle, waiting = int(fields[3]), int(fields[4])
    return (sum(map(int, fields[:8])) - idle - waiting) / TICKS


def resident_mb(pids: Iterable[int]) -> float:
    return sum(int((PROC / f"{pid}/statm").read_text().split()[1]) for pid in pids) * PAGE / 1e6


def family(pid: int) -> list[int]:
    """A process and all that it started, which still live."""
    found = [pid]
    for each in found:
        for children in (PROC / f"{each}/task").glob("*/children"):
            with suppress(OSError):
                found += map(int, children.read_text().split())
    return found


def listeners(port: int) -> list[int]:
    """The processes that hold a listening socket on this port."""
    sockets = {f"socket:[{inode}]" for inode in _listening(port)}
    return [int(folder.name) for folder in PROC.glob("[0-9]*") if sockets & _open(folder)]


def pin(pids: Iterable[int], core: int) -> None:
    """Keep processes, all their threads, on one core; what they start later stays there too."""
    for pid in pids:
        for thread in (PROC / f"{pid}/task").iterdir():
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread.name), {core})


def _clock(pid: int) -> float:
    try:
        return time.clock_gettime(~pid << 3 | 2)  # as clock_getcpuclockid(3) has it
    except OSError as error:
        raise ProcessLookupError(f"the process {pid}, whose CPU counts, has ended") from error


def _listening(port: int) -> list[str]:
    lines = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in (PROC / "net" / name).read_text().splitlines()[1:]
    ]
    return [
        parts[9]
        for parts in lines
        if parts[3] == _LISTEN and int(parts[1].rpartition(":")[2], 16) == port
    ]


def _open(folder: Path) -> set[str]:
    found = set()
    with suppress(OSError):
        for each in (folder / "fd").iterdir():
            with suppress(OSError):
                found.add(str(each.readlink()))
    return found
