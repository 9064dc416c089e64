"""What was just spent, line by line, before it reaches the tables.

journal/<set>/<seq>.ndjson    a set belongs to one process, which holds the flock on `lock`;
journal/<set>/closed          once every intent of a set is settled and nobody writes to it

A line is a call with a word before it: {"line":"intent","hold_usd":…} is written before anything
is sent upstream, {"line":"call"} once it is settled. All but the last segment of a set are
sealed: they never change again. A new segment begins with the intents still open, so that the
ones before it can go. This module is on the gateway's hot path: no DuckDB, no Arrow.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from farthing.domain.call import Call, Traced
from farthing.domain.errors import Defect, DiskFull, FarthingError, Unavailable
from farthing.domain.money import PICO_PER_USD, Money
from farthing.ledger.disk import APPENDING, SYSTEM, Disk, sync_path
from farthing.ledger.durable import is_disk_full
from farthing.ledger.workspace import Workspace, try_flock

Fsync = Literal["batch", "always"]
Attempt = tuple[str, int]  # the id of its call, and its number

SUFFIX = ".ndjson"
SYNC_SECONDS = 0.02
ROTATE_BYTES = 16 << 20
ROTATE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """One file of a set; sets order by time, segments by sequence from 1."""

    set: str
    seq: int
    path: Path

    @property
    def app(self) -> str:
        """The name under which a table records how far it has this set."""
        return f"journal/{self.set}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line read back. `hold` is meaningful for intents: what to book if nothing follows."""

    segment: Segment
    settled: bool
    call: Call
    hold: Money | None


def new_set(now: float, entropy: Callable[[int], bytes] = os.urandom) -> str:
    """A set's name: those of later processes sort after those of earlier ones."""
    return f"{int(now * 1000):012x}{entropy(6).hex()}"


class Journal:
    """The set of segments that this process writes. Threads may share it."""

    def __init__(  # noqa: PLR0913  how it writes, and on what
        self,
        workspace: Workspace,
        *,
        fsync: Fsync = "batch",
        sync_seconds: float = SYNC_SECONDS,
        rotate_bytes: int = ROTATE_BYTES,
        rotate_seconds: float = ROTATE_SECONDS,
        disk: Disk = SYSTEM,
        name: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.set, self.seq = name or new_set(time.time()), 1
        self._disk, self._write_bytes, self._clock = disk, disk.write, clock
        self._always = fsync == "always"
        self._rotate_bytes, self._rotate_seconds = rotate_bytes, rotate_seconds
        self._turn = threading.Lock()
        self._open: dict[Attempt, bytes] = {}
        self._folder, self._lock, self._file = _start_set(workspace, self.set, disk)
        self._size, self._born = 0, clock()
        self._dirty = False
        self._synced = self._born  # up to when everything that was written is on the disk
        self._retired: list[int] = []  # sealed, not yet on the disk
        self._failure: FarthingError | None = None  # why nothing is written any more
        self._unsynced: Unavailable | None = None  # … because a sync failed
        self._closed = False
        self._end_syncing = disk.repeat(sync_seconds, self._look_after)

    def intent(self, call: Call, hold: Money | None) -> None:
        """Say what is about to be asked. Returns once a killed process would not lose it.

        `hold` is the most that it can cost, or an estimate; None where there is no price.
        """
        held = b"" if hold is None else b'"hold_usd":"%s",' % str(hold).encode()
        line = b'{"line":"intent",' + held + _ENCODER.encode(call)[1:] + b"\n"
        self.intend((call.id, call.attempt), line)

    def settle(self, call: Call) -> None:
        """Book a call: after its intent, or without one where nothing was sent (attempt 0)."""
        line = b'{"line":"call",' + _ENCODER.encode(call)[1:] + b"\n"
        self.book((call.id, call.attempt), line)

    def intend(self, attempt: Attempt, line: bytes) -> None:
        """`intent`, for who writes the line himself."""
        with self._turn:
            self._write(line)
            self._open[attempt] = line

    def book(self, attempt: Attempt, line: bytes) -> None:
        """`settle`, for who writes the line himself."""
        with self._turn:
            self._write(line)
            self._open.pop(attempt, None)

    def rotate(self) -> None:
        """Seal the segment, so that the compactor may take it, and start the next."""
        with self._turn:
            self._rotate()

    def position(self) -> tuple[int, int]:
        """The segment that is written now, and how many bytes of it are."""
        with self._turn:
            return self.seq, self._size

    def lag(self) -> float:
        """Everything written until so many seconds ago is on the disk."""
        return self._clock() - self._synced

    def sync(self) -> None:
        """Wait until everything written so far is on the disk.

        Raises Unavailable, and once it did, always: nobody knows what a failed sync left there.
        """
        if self._unsynced is not None:
            raise self._unsynced
        began = self._clock()
        with self._turn:
            retired, self._retired = self._retired, []
            self._dirty = False
            files = [*retired, os.dup(self._file)]
        try:
            for file in files:
                self._disk.sync(file)
            if retired:
                sync_path(self._disk, self._folder)
            self._synced = began
        except OSError as error:
            raise self._fails(error) from error
        finally:
            for file in files:
                os.close(file)

    def close(self) -> None:
        """Stop writing. Intents still open are booked at their hold by whoever adopts the set."""
        if self._closed:
            return
        self._closed = True
        self._end_syncing()
        with self._turn:
            self._failure = Defect("A closed journal was written to.")
        try:
            if self._unsynced is None:
                self.sync()
                if not self._open:
                    _mark_closed(self._folder, self._disk)
        finally:
            os.close(self._file)
            os.close(self._lock)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, line: bytes) -> None:
        if self._failure is not None:
            raise self._failure
        if self._size >= self._rotate_bytes:
            with suppress(DiskFull):  # the line itself may still fit
                self._rotate()
        _append(self._write_bytes, self._file, line, self._size, self._folder)
        if self._always:
            self._sync_at_once()
        self._size += len(line)
        self._dirty = True

    def _sync_at_once(self) -> None:
        """What was written last, or the file is as it was: nobody may book a line twice."""
        try:
            self._disk.sync(self._file)
        except OSError as error:
            os.ftruncate(self._file, self._size)
            raise self._fails(error) from error

    def _fails(self, error: OSError) -> Unavailable:
        """From now on nothing is written any more, until another process begins anew."""
        self._failure = self._unsynced = _failing(self._folder, error)
        return self._failure

    def _aged(self) -> bool:
        return self._clock() - self._born >= self._rotate_seconds

    def _rotate(self) -> None:
        carried = b"".join(self._open.values())
        fresh = self._folder / f".{self.seq + 1}"
        try:
            file = self._disk.open(fresh, APPENDING)
        except OSError as error:
            raise _unwritable(self._folder, error) from error
        try:
            _append(self._write_bytes, file, carried, 0, self._folder)
        except BaseException:
            os.close(file)
            fresh.unlink()
            raise
        # From here on the old segment is sealed: nothing may be written to it any more.
        fresh.rename(_segment_path(self._folder, self.seq + 1))
        self._retired.append(self._file)
        self._file, self._size, self._born = file, len(carried), self._clock()
        self.seq += 1
        if self._always:  # or lines that are synced would lie in a file whose name is not
            try:
                self._disk.sync(file)
                sync_path(self._disk, self._folder)
            except OSError as error:
                raise self._fails(error) from error

    def _look_after(self) -> None:
        """What is done every few milliseconds: rotate what is old, sync what was written."""
        try:
            if self._size and self._aged():
                with suppress(DiskFull):
                    self.rotate()
            if self._dirty or self._retired:
                self.sync()
            else:
                self._synced = self._clock()
        except Unavailable as error:
            self._failure = error


@dataclass(frozen=True, slots=True)
class Adopted:
    """What was found of processes that are gone."""

    sets: int = 0
    recovered: int = 0


def adopt(workspace: Workspace, disk: Disk = SYSTEM) -> Adopted:
    """Close the sets of dead processes: cut a torn line, book open intents at their hold.

    A set whose flock is free has no writer any more. Whoever takes that lock is the only one
    to write `recovered` settlements; a killed adopter's work is taken up by the next.
    """
    sets = recovered = 0
    for folder in _folders(workspace):
        lock = _take_over(folder)
        if lock is None:
            continue
        try:
            recovered += _recover(workspace, folder, disk)
        finally:
            os.close(lock)
        sets += 1
    return Adopted(sets, recovered)


def segments(workspace: Workspace) -> list[Segment]:
    """Every segment there is."""
    return sorted(found for folder in _folders(workspace) for found in _segments_of(folder))


def last_of_sets(found: Iterable[Segment]) -> set[Segment]:
    """The segments that may still grow."""
    return set({segment.set: segment for segment in sorted(found)}.values())


def sealed(workspace: Workspace, found: Iterable[Segment]) -> list[Segment]:
    """The segments that will never change again."""
    found = list(found)
    growing = {each for each in last_of_sets(found) if not (each.path.parent / _CLOSED).exists()}
    return sorted(set(found) - growing)


def closed(workspace: Workspace) -> list[Path]:
    """The folders of sets that nobody will write to again."""
    return [folder for folder in _folders(workspace) if (folder / _CLOSED).exists()]


def unclosed(workspace: Workspace) -> list[Path]:
    """The folders of sets that somebody writes to, or adopts just now."""
    return [folder for folder in _folders(workspace) if not (folder / _CLOSED).exists()]


def replay(workspace: Workspace, after: Mapping[str, int]) -> Iterator[Entry]:
    """Lines of every segment past a watermark (set → sequence), oldest set first."""
    for segment in segments(workspace):
        if segment.seq > after.get(segment.set, 0):
            yield from read(segment)


def read(segment: Segment, offset: int = 0) -> Iterator[Entry]:
    """A segment's whole lines, from a byte on."""
    written = segment.path.read_bytes()[offset:]
    for line in written[: written.rfind(b"\n") + 1].splitlines():
        yield Entry(segment, *parsed(line))


def parsed(line: bytes) -> tuple[bool, Call, Money | None]:
    """Whether a line settles its call, the call, and what an intent holds."""
    head = _HEAD.decode(line)
    return head.line == "call", _CALL.decode(line), head.hold_usd


def decode_call(line: bytes) -> Traced:
    """The call of one line, an intent's too. Raises msgspec.DecodeError."""
    return _TRACED.decode(line)


_CLOSED = "closed"


class _Head(msgspec.Struct, gc=False):
    """What tells whether an intent was settled: the start of every line."""

    line: Literal["intent", "call"]
    id: str
    attempt: int = 1
    hold_usd: Money | None = None


def _to_json(value: object) -> str:
    if type(value) is Money:
        # Most lines cost less than a dollar, and this is three times as fast as str().
        return f"0.{value.pico:012d}" if 0 <= value.pico < PICO_PER_USD else str(value)
    raise NotImplementedError(f"{type(value).__name__} in a line of the journal")


def _from_json(kind: type, value: object) -> object:
    if kind is Money and isinstance(value, str):
        return Money.of(value)
    raise NotImplementedError(f"{kind.__name__} in a line of the journal")


_ENCODER = msgspec.json.Encoder(enc_hook=_to_json)
_HEAD = msgspec.json.Decoder(_Head, dec_hook=_from_json)
_CALL = msgspec.json.Decoder(Call, dec_hook=_from_json)
_TRACED = msgspec.json.Decoder(Traced, dec_hook=_from_json)


def _append(
    write: Callable[[int, bytes], int], file: int, line: bytes, size: int, folder: Path
) -> None:
    """Write a line whole, or leave the file as it was."""
    try:
        while len(line) > (written := write(file, line)):
            line = line[written:]
    except OSError as error:
        os.ftruncate(file, size)
        raise _unwritable(folder, error) from error


def _unwritable(folder: Path, error: OSError) -> Unavailable:
    return DiskFull(str(folder)) if is_disk_full(error) else _failing(folder, error)


def _failing(folder: Path, error: OSError) -> Unavailable:
    return Unavailable(f"The disk of {folder} fails: {error}.")


def _start_set(workspace: Workspace, name: str, disk: Disk) -> tuple[Path, int, int]:
    """Make the folder with its lock already taken, so that nobody takes it for a dead one's."""
    fresh = workspace.journal / f".{name}"
    folder = workspace.journal / name
    try:
        fresh.mkdir()
        lock = disk.open(fresh / "lock", APPENDING)
        try_flock(lock)
        file = disk.open(_segment_path(fresh, 1), APPENDING)
        sync_path(disk, fresh)  # a set without its lock would be nobody's, for good
    except OSError as error:
        if is_disk_full(error):
            raise DiskFull(str(workspace.root)) from error
        raise Unavailable(f"The journal in {workspace.root} cannot be written: {error}.") from error
    fresh.rename(folder)
    sync_path(disk, workspace.journal)
    return folder, lock, file


def _take_over(folder: Path) -> int | None:
    """The flock of a set that nobody holds and nobody has closed."""
    if (folder / _CLOSED).exists():
        return None
    try:
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:  # the compactor removes it just now
        return None
    if try_flock(lock) and not (folder / _CLOSED).exists():
        return lock
    os.close(lock)
    return None


def _recover(workspace: Workspace, folder: Path, disk: Disk) -> int:
    """Settle what a dead process left open; answers how many intents that were."""
    while True:
        try:
            found = _segments_of(folder)
            lines = _open_intents(workspace, found, disk)
            break
        except FileNotFoundError:  # sealed segments may be compacted meanwhile
            continue
    # Bytes and names of the dead are made safe first. Else a power cut could leave the mark without
    # what it vouches for, or a budget's sums without the rows that they were counted from.
    for each in found:
        sync_path(disk, each.path)
    sync_path(disk, folder)
    if lines:
        path = found[-1].path
        file = disk.open(path, APPENDING)
        try:
            booked = b"".join(map(_recovered, lines))
            _append(disk.write, file, booked, path.stat().st_size, folder)
            disk.sync(file)
        finally:
            os.close(file)
    _mark_closed(folder, disk)
    return len(lines)


def _open_intents(workspace: Workspace, found: list[Segment], disk: Disk) -> list[bytes]:
    places: dict[tuple[str, int], tuple[int, int]] = {}
    contents = [_whole_lines(workspace, each, disk) for each in found]
    for file, (_, heads) in enumerate(contents):
        for number, head in enumerate(heads):
            if head.line == "intent":
                places[head.id, head.attempt] = file, number
            elif places:
                places.pop((head.id, head.attempt), None)
    needed = {file for file, _ in places.values()}
    lines = {file: contents[file][0].split(b"\n") for file in needed}
    return [lines[file][number] for file, number in places.values()]


def _recovered(intent: bytes) -> bytes:
    call, hold = _TRACED.decode(intent), _HEAD.decode(intent).hold_usd
    marks = {"recovered"} if hold is not None else {"recovered", "unpriced"}
    flags = ",".join(sorted(marks | set(filter(None, (call.flags or "").split(",")))))
    booked = msgspec.structs.replace(
        call,
        status="recovered",
        flags=flags,
        list_usd=hold,
        contracted_usd=hold,
        effective_usd=hold,
    )
    return b'{"line":"call",' + _ENCODER.encode(booked)[1:] + b"\n"


def _whole_lines(workspace: Workspace, segment: Segment, disk: Disk) -> tuple[bytes, list[_Head]]:
    """A dead process's lines. A torn last one is cut off; other broken ones are quarantined."""
    written = segment.path.read_bytes()
    whole = written[: written.rfind(b"\n") + 1]
    try:
        heads = _HEAD.decode_lines(whole)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # A power cut can lose the middle of what was not yet on the disk.
        whole = _set_aside(workspace, segment, whole, disk)
        return whole, _HEAD.decode_lines(whole)
    if len(whole) < len(written):
        os.truncate(segment.path, len(whole))
    return whole, heads


def _set_aside(workspace: Workspace, segment: Segment, whole: bytes, disk: Disk) -> bytes:
    lines = whole.splitlines(keepends=True)
    good = b"".join(line for line in lines if _is_line(line))
    name = f"journal-{segment.set}-{segment.seq}{SUFFIX}"
    broken = b"".join(line for line in lines if not _is_line(line))
    _replace(workspace.quarantine / name, broken, disk)
    _replace(segment.path, good, disk)
    return good


def _is_line(line: bytes) -> bool:
    try:
        _HEAD.decode(line)
        _CALL.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def _replace(path: Path, content: bytes, disk: Disk) -> None:
    fresh = path.with_name(f".{path.name}")
    fresh.write_bytes(content)
    sync_path(disk, fresh)
    fresh.rename(path)
    sync_path(disk, path.parent)


def _mark_closed(folder: Path, disk: Disk) -> None:
    (folder / _CLOSED).touch()
    sync_path(disk, folder)


def _segment_path(folder: Path, seq: int) -> Path:
    return folder / f"{seq:08d}{SUFFIX}"


def _segments_of(folder: Path) -> list[Segment]:
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:  # the compactor just took the last of it
        return []
    return sorted(
        Segment(folder.name, int(name.removesuffix(SUFFIX)), folder / name)
        for name in names
        if name.endswith(SUFFIX) and not name.startswith(".")
    )


def _folders(workspace: Workspace) -> list[Path]:
    return sorted(
        folder
        for folder in workspace.journal.iterdir()
        if folder.is_dir() and not folder.name.startswith(".")
    )
