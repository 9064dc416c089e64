"""Disks that can be filled and freed again while farthing runs on them."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.gateways import Up

TMPFS_MB = 48


class Tmpfs:
    """A small file system of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self, _: Up) -> None:
        """To the last page; the file that is written just now has the rest of its own."""
        handle = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for size in (1 << 20, 4096):
            try:
                while True:
                    os.write(handle, b"\0" * size)
            except OSError:
                continue
        os.close(handle)

    def free(self, _: Up) -> None:
        self._ballast.unlink()


class Limited:
    """An ordinary folder, in which no file may grow beyond `at` bytes. Needs no rights.

    It holds for the processes that run then: one that is started anew has all the room there is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, running: Up, at: int = 0) -> None:
        self._limit(running, at)

    def free(self, running: Up) -> None:
        self._limit(running, resource.RLIM_INFINITY)

    def _limit(self, running: Up, size: int) -> None:
        for pid in running.pids():
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))


def may_mount() -> bool:
    """Whether a file system may be mounted here: tried out, in a place of its own."""
    command = ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"]
    try:
        return os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0  # noqa: PLW1510
    except OSError:
        return False


@contextmanager
def disk(kind: str, folder: Path) -> Iterator[Tmpfs | Limited]:
    folder.mkdir()
    if kind == "limit":
        yield Limited(folder)
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={TMPFS_MB}m", "none", folder], check=True)
    try:
        yield Tmpfs(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
