"""What was just spent, line by line, before it reaches the tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from farthing.ledger.workspace import Workspace

SUFFIX = ".ndjson"


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """One file of a set: `journal/<set>/<seq>.ndjson`. A set belongs to one process."""

    set: str
    seq: int
    path: Path

    @property
    def app(self) -> str:
        """The name under which a table records how far it has this set."""
        return f"journal/{self.set}"


def segments(workspace: Workspace) -> list[Segment]:
    """Every segment, by set (they order by time) and sequence."""
    found = []
    for folder in _folders(workspace):
        try:
            names = [path.name for path in folder.iterdir()]
        except FileNotFoundError:  # the compactor just took the last of it
            continue
        found += [
            Segment(folder.name, int(name.removesuffix(SUFFIX)), folder / name)
            for name in names
            if name.endswith(SUFFIX) and not name.startswith(".")
        ]
    return sorted(found)


def last_of_sets(found: Iterable[Segment]) -> set[Segment]:
    """The segments that may still grow; all before them are sealed."""
    return set({segment.set: segment for segment in sorted(found)}.values())


def _folders(workspace: Workspace) -> list[Path]:
    return [
        folder
        for folder in workspace.journal.iterdir()
        if folder.is_dir() and not folder.name.startswith(".")
    ]
