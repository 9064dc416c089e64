"""Make what was written survive a power cut, and recognise a disk without room."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

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


def is_disk_full(error: BaseException) -> bool:
    """Whether an error means that there is no room; other libraries only say so in words."""
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return True
    text = str(error)
    return any(f"os error {code}" in text or os.strerror(code) in text for code in _NO_ROOM)
