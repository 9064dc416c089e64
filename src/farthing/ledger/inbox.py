"""What was received and acknowledged, on disk until an import has it.

inbox/<time>-<random>.jsonl    one a request, whole and synced before the sender hears of it

A document is removed only after the import that has it was committed. Whoever dies in between
imports it again, which adds nothing.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from farthing.domain.errors import DiskFull, FarthingError, Unavailable
from farthing.ledger.durable import is_disk_full, sync_file
from farthing.ledger.workspace import Workspace

MOST_BYTES = 256 << 20  # waiting; more is refused until the import has caught up
BATCH_BYTES = 32 << 20
BATCH_DOCUMENTS = 2_000

_SUFFIX = ".jsonl"
_log = logging.getLogger(__name__)

# Imports a file of lines; False where it cannot be read at all.
Importing = Callable[[Path], bool]


class InboxFull(Unavailable):
    code = "inbox_full"


class Inbox:
    """Any thread may put documents in; one at a time takes them out."""

    def __init__(self, workspace: Workspace, most_bytes: int = MOST_BYTES) -> None:
        self.folder = workspace.root / "inbox"
        self._aside, self._most = workspace.quarantine, most_bytes
        self.folder.mkdir(exist_ok=True)
        for unfinished in self.folder.glob(".*.part"):
            unfinished.unlink()
        self._turn = threading.Lock()
        self._bytes = sum(each.stat().st_size for each in self.waiting())

    def put(self, document: bytes) -> None:
        """Durable when this returns. Raises InboxFull, DiskFull, or Unavailable."""
        with self._turn:
            if self._bytes + len(document) > self._most:
                raise InboxFull("More came than could be imported so far. Try again in a while.")
            self._bytes += len(document)
        name = f"{time.time_ns():020d}-{secrets.token_hex(4)}{_SUFFIX}"
        try:
            self._write(name, document)
        except OSError as error:
            with self._turn:
                self._bytes -= len(document)
            if is_disk_full(error):
                raise DiskFull(str(self.folder)) from error
            raise Unavailable(f"{self.folder} cannot be written: {error.strerror}.") from error

    def waiting(self) -> list[Path]:
        """The documents in the order in which they came."""
        return sorted(self.folder.glob(f"[0-9]*{_SUFFIX}"))

    @property
    def size(self) -> int:
        """Of all that waits, in bytes."""
        return self._bytes

    def take_in(self, importing: Importing) -> int:
        """Import everything that waits, many at once; answers how many documents that were.

        One that no import can take is put into `quarantine/`, so that those behind it go on.
        """
        done = 0
        while batch := self._next_batch():
            if not self._imported(batch, importing):
                for one in batch:
                    if not self._imported([one], importing):
                        self._put_aside(one)
            done += len(batch)
        return done

    def _imported(self, batch: Sequence[Path], importing: Importing) -> bool:
        """Whether they are in the ledger, and here no more."""
        try:
            with TemporaryDirectory(prefix="farthing-") as folder:
                good = importing(_joined(batch, Path(folder) / f"traces{_SUFFIX}"))
        except FarthingError:
            raise  # not these documents' fault: a lock, a disk, a setting
        except Exception:  # noqa: BLE001  whatever one of them does must not stop those behind
            _log.exception("import failed", extra={"documents": len(batch)})
            good = False
        if good:
            for each in batch:
                self._remove(each, each.unlink)
        return good

    def _next_batch(self) -> list[Path]:
        batch: list[Path] = []
        size = 0
        for each in self.waiting():
            size += each.stat().st_size
            if batch and (size > BATCH_BYTES or len(batch) == BATCH_DOCUMENTS):
                break
            batch.append(each)
        return batch

    def _put_aside(self, document: Path) -> None:
        target = self._aside / f"traces-{document.name}"
        self._remove(document, lambda: document.replace(target))
        _log.error("document put aside", extra={"file": str(target)})

    def _remove(self, document: Path, away: Callable[[], object]) -> None:
        size = document.stat().st_size
        away()
        with self._turn:
            self._bytes -= size

    def _write(self, name: str, document: bytes) -> None:
        fresh = self.folder / f".{name}.part"
        try:
            with fresh.open("wb") as file:
                file.write(document)
                file.flush()
                os.fsync(file.fileno())
            fresh.rename(self.folder / name)
        finally:
            fresh.unlink(missing_ok=True)
        sync_file(self.folder)


def _joined(batch: Sequence[Path], target: Path) -> Path:
    with target.open("wb") as out:
        for each in batch:
            with each.open("rb") as document:
                shutil.copyfileobj(document, out)
    return target
