"""The folder that holds one ledger."""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from farthing.domain.errors import BadInput, NewerWorkspace, Refused, Unavailable
from farthing.ledger import schema
from farthing.ledger.durable import replace_text, sync_folders

GATEWAY_LOCK = "gateway.lock"  # one gateway a workspace: the sums of its budgets are in memory
LOCK_PATIENCE = 5.0  # seconds that a writer waits for another one


class About(msgspec.Struct, frozen=True):
    """What `workspace.json` says. `born` is the schema it was made with: files may be as old."""

    schema: int
    id: str
    born: int = 1


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where the parts of one ledger lie, and who may write.

    workspace.json · lock · journal/ (segments) · tables/ (Delta) · quarantine/ · backup/
    """

    root: Path
    about: About
    _turn: _Turn = field(repr=False, compare=False)

    @classmethod
    def open(cls, path: Path | str, *, create: bool = True) -> Workspace:
        """Open a workspace; one of an older schema is migrated and what changed is kept."""
        root = _spelled(Path(path).absolute())
        if not (root / "workspace.json").exists():
            if not create:
                raise Refused(
                    f"There is no workspace at {root}. The first `farthing import FILE` makes it; "
                    "`farthing demo` makes one to look at."
                )
            _create(root)
        workspace = cls(root, _about(root), _Turn(root / "lock"))
        if workspace.about.schema > schema.VERSION:
            raise NewerWorkspace(str(root), workspace.about.schema, schema.VERSION)
        return workspace if workspace.about.schema == schema.VERSION else _migrate(workspace)

    @property
    def id(self) -> str:
        return self.about.id

    @property
    def journal(self) -> Path:
        return self.root / "journal"

    @property
    def tables(self) -> Path:
        return self.root / "tables"

    @property
    def quarantine(self) -> Path:
        return self.root / "quarantine"

    def table_uri(self, name: str) -> str:
        return str(self.tables / name)

    @contextmanager
    def lock(self, patience: float = LOCK_PATIENCE) -> Iterator[None]:
        """Be the only one who changes the tables. Nests; the journal's writers do not need it."""
        self._turn.take(patience)
        try:
            yield
        finally:
            self._turn.give_back()


class _Turn:
    """The exclusive flock on one file, held any number of times by one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = threading.RLock()
        self._depth = 0
        self._handle = -1

    def take(self, patience: float) -> None:
        if not self._thread.acquire(timeout=patience):
            raise Unavailable(self._taken_by(os.getpid()))
        try:
            if self._depth == 0:
                self._handle = self._flock(time.monotonic() + patience)
            self._depth += 1
        except BaseException:
            self._thread.release()
            raise

    def give_back(self) -> None:
        self._depth -= 1
        if self._depth == 0:
            os.ftruncate(self._handle, 0)
            os.close(self._handle)
        self._thread.release()

    def _flock(self, deadline: float) -> int:
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            while not try_flock(handle):
                if time.monotonic() >= deadline:
                    holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip()
                    raise Unavailable(self._taken_by(holder or "unknown"))
                time.sleep(0.02)
            os.ftruncate(handle, 0)
            os.pwrite(handle, str(os.getpid()).encode(), 0)
        except BaseException:
            os.close(handle)
            raise
        return handle

    def _taken_by(self, holder: int | str) -> str:
        return (
            f"{self._path.parent} is in use by pid {holder}. "
            "Wait until it is done, then run the command again."
        )


def try_flock(handle: int) -> bool:
    """Take the exclusive lock of an open file if nobody has it. It ends with its process."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _spelled(root: Path) -> Path:
    odd = sorted(set("[]%") & set(str(root)))
    if odd:
        raise Refused(
            f"The workspace {root} has {' '.join(odd)} in its path, which Delta Lake misreads. "
            "Choose another folder with --workspace."
        )
    return root


def _create(root: Path) -> None:
    try:
        for part in ("journal", "tables", "quarantine"):
            (root / part).mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise Refused(
            f"{error.filename} is a file, not a folder. Point --workspace elsewhere."
        ) from error
    turn = _Turn(root / "lock")
    turn.take(LOCK_PATIENCE)
    try:
        if not (root / "workspace.json").exists():
            _write(root, About(schema.VERSION, uuid.uuid4().hex, schema.VERSION))
    finally:
        turn.give_back()


def _about(root: Path) -> About:
    path = root / "workspace.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=About)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput(
            str(path), f"not a workspace file ({error})", "Restore it from a backup."
        ) from error


def _write(root: Path, about: About) -> None:
    replace_text(root / "workspace.json", msgspec.json.encode(about).decode() + "\n")


def _migrate(workspace: Workspace) -> Workspace:
    """Add the columns that an older schema lacked. Each step may be repeated after a crash."""
    from farthing.ledger import table

    with workspace.lock():
        found = _about(workspace.root)
        if found.schema < schema.VERSION:
            _back_up(workspace)
            for each in schema.TABLES:
                table.add_missing_columns(workspace, each)
            # Only sums of the others: it is made anew, in today's columns.
            shutil.rmtree(workspace.table_uri("rollup"), ignore_errors=True)
            _write(workspace.root, msgspec.structs.replace(found, schema=schema.VERSION))
    return Workspace(workspace.root, _about(workspace.root), workspace._turn)


def _back_up(workspace: Workspace) -> None:
    """Keep what a migration changes: `workspace.json` and the tables' logs, never their rows."""
    target = workspace.root / "backup" / f"schema-{workspace.about.schema}"
    if target.exists():
        return
    unfinished = target.with_name(f".{target.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    shutil.copy2(workspace.root / "workspace.json", unfinished)
    for log in sorted(workspace.tables.glob("*/_delta_log")):
        shutil.copytree(log, unfinished / "tables" / log.parent.name / log.name)
    unfinished.rename(target)
    sync_folders([target.parent])
