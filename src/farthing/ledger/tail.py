"""Follow the journal from a place that state.db keeps, so that a restart passes nothing over.

A follower reads lines as they come, and keeps its place once it has done with them; what it read
and had not done with it reads again. Compaction leaves the segments on disk that the follower
`HOLDING` has not read yet (see `watermarks`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from farthing.ledger.journal import SUFFIX
from farthing.ledger.state import State
from farthing.ledger.workspace import Workspace

Mark = tuple[int, int]  # a segment, and how many of its bytes are read
Marks = dict[str, Mark]

HOLDING = "spans"
_PREFIX = "follower."
_START: Mark = (1, 0)
_LONGEST_LINE = 1 << 20
_MARKS: msgspec.json.Decoder[Marks] = msgspec.json.Decoder(Marks)


@dataclass(frozen=True, slots=True)
class Line:
    """A whole line of the journal, and where it begins."""

    set: str
    mark: Mark
    text: bytes


def place(state: State, name: str) -> Marks | None:
    """How far a follower has come; None where there is none of that name."""
    found = state.rows("SELECT value FROM settings WHERE name = ?", _PREFIX + name)
    return _MARKS.decode(found[0][0]) if found else None


def keep_place(state: State, name: str, marks: Marks) -> None:
    with state.changing() as change:
        change.execute(
            "INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)",
            (_PREFIX + name, msgspec.json.encode(marks).decode()),
        )


def leave(state: State, name: str) -> None:
    """Nobody of that name follows any more: nothing is kept for it."""
    if place(state, name) is not None:
        with state.changing() as change:
            change.execute("DELETE FROM settings WHERE name = ?", (_PREFIX + name,))


def read(workspace: Workspace, marks: Mapping[str, Mark], most: int) -> tuple[list[Line], Marks]:
    """Lines after a place, the oldest set first, about `most` bytes; and the place after them."""
    lines: list[Line] = []
    after: Marks = {}
    for folder in _sets(workspace):
        came, after[folder.name] = _read_set(folder, marks.get(folder.name, _START), most)
        lines += came
        most -= sum(len(each.text) for each in came)
    return lines, after


def behind(workspace: Workspace, marks: Mapping[str, Mark]) -> int:
    """How many bytes the journal has after a place."""
    size = 0
    for folder in _sets(workspace):
        there, offset = marks.get(folder.name, _START)
        for seq, path in _segments(folder):
            if seq >= there:
                size += _size(path) - (offset if seq == there else 0)
    return size


def _read_set(folder: Path, mark: Mark, most: int) -> tuple[list[Line], Mark]:
    is_closed = (folder / "closed").exists()  # looked for first: its last lines are there by then
    found = [each for each in _segments(folder) if each[0] >= mark[0]]
    lines: list[Line] = []
    for number, (seq, path) in enumerate(found, 1):
        if most <= 0:
            break
        start = mark[1] if seq == mark[0] else 0
        came, end, whole = _read_segment(folder.name, path, (seq, start), most)
        lines += came
        most -= sum(len(each.text) for each in came)
        is_sealed = is_closed or number < len(found)
        mark = (seq + 1, 0) if is_sealed and whole else (seq, end)
        if not whole:
            break
    return lines, mark


def _read_segment(name: str, path: Path, mark: Mark, most: int) -> tuple[list[Line], int, bool]:
    """Whole lines from an offset on, where they end, and whether that is all there is."""
    seq, offset = mark
    room = max(most, _LONGEST_LINE)
    try:
        with path.open("rb") as file:
            file.seek(offset)
            written = file.read(room)
    except FileNotFoundError:  # its rows are in the table already
        return [], offset, True
    lines: list[Line] = []
    for text in written[: written.rfind(b"\n") + 1].splitlines(keepends=True):
        if offset - mark[1] >= most:
            return lines, offset, False
        lines.append(Line(name, (seq, offset), text))
        offset += len(text)
    return lines, offset, len(written) < room


def _sets(workspace: Workspace) -> Iterator[Path]:
    for folder in sorted(workspace.journal.iterdir()):
        if folder.is_dir() and not folder.name.startswith("."):
            yield folder


def _segments(folder: Path) -> list[tuple[int, Path]]:
    try:
        found = [path for path in folder.iterdir() if path.suffix == SUFFIX]
    except FileNotFoundError:  # the compactor just took the last of it
        return []
    return sorted((int(path.stem), path) for path in found if not path.name.startswith("."))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
