"""The disk, as the journal uses it: a simulation has one of its own, that loses what disks lose."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

APPENDING = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
READING = os.O_RDONLY | os.O_CLOEXEC


class Disk(Protocol):
    """Files are the system's own numbers; whoever opened one closes it with `os.close`."""

    def open(self, path: Path, flags: int) -> int: ...

    def write(self, file: int, line: bytes, /) -> int:
        """As `os.write`: how many bytes were taken, or OSError."""
        ...

    def sync(self, file: int) -> None:
        """Wait until a file's bytes, or a folder's entries, survive a power cut."""
        ...

    def repeat(self, seconds: float, work: Callable[[], None]) -> Callable[[], None]:
        """Do it every so often, beside everything else; the answer ends that, and waits for it."""
        ...


class SystemDisk:
    """The machine's."""

    write = staticmethod(os.write)  # as it is: a frame of ours would be felt

    def open(self, path: Path, flags: int) -> int:
        return os.open(path, flags, 0o666)

    def sync(self, file: int) -> None:
        os.fdatasync(file)

    def repeat(self, seconds: float, work: Callable[[], None]) -> Callable[[], None]:
        stop = threading.Event()

        def until_stopped() -> None:
            while not stop.wait(seconds):
                work()

        def end() -> None:
            stop.set()
            thread.join()

        thread = threading.Thread(target=until_stopped, name="journal-sync", daemon=True)
        thread.start()
        return end


SYSTEM: Disk = SystemDisk()


def sync_path(disk: Disk, path: Path) -> None:
    """The same for what is not open."""
    file = disk.open(path, READING)
    try:
        disk.sync(file)
    finally:
        os.close(file)
