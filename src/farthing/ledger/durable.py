"""Make what was written survive a power cut, and recognise a disk without room."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from farthing.domain.errors import DiskFull, Unavailable

# A quota and a file size limit are answered alike: free some room and run it again.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def sync_file(path: Path) -> None:
    """Wait until the file's bytes, or the folder's entries, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folders(folders: Iterable[Path]) -> None:
    for folder in sorted(set(folders)):
        sync_file(folder)


def replace_text(path: Path, text: str) -> None:
    """Write a small file so that a reader, or a crash, meets the old text or the new, whole."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with fresh.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    sync_file(path.parent)


def try_room(folder: Path) -> None:
    """Write a few bytes and remove them again. Raises DiskFull, Unavailable."""
    probe = folder / f".room.{os.getpid()}"
    try:
        probe.write_bytes(b"\0" * 4096)
    except OSError as error:
        if is_disk_full(error):
            raise DiskFull(str(folder)) from error
        raise Unavailable(f"Nothing can be written to {folder}: {error.strerror}.") from error
    finally:
        with suppress(OSError):
            probe.unlink()


def is_disk_full(error: BaseException) -> bool:
    """Whether an error means that there is no room; other libraries only say so in words."""
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return True
    text = str(error)
    return any(f"os error {code}" in text or os.strerror(code) in text for code in _NO_ROOM)
