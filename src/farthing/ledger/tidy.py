"""Put a day's many small files into one, so that questions open few."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from farthing.ledger import scan, schema, table
from farthing.ledger.workspace import Workspace

SMALL = 16 << 20  # bytes
MANY = 16  # files; each commit adds one a day


def tidy(
    workspace: Workspace,
    *,
    small: int = SMALL,
    many: int = MANY,
    step: Callable[[str], None] = table.no_step,
) -> int:
    """Merge the small files of each day that has many; answers how many files went.

    No row changes. The files stay on disk for a week, for readers that are at work.
    """
    with workspace.lock():
        return sum(
            _merge(workspace, each, _small_files(workspace, each, small, many), step)
            for each in schema.TABLES
        )


def _small_files(workspace: Workspace, stored: schema.Table, small: int, many: int) -> list[str]:
    days = defaultdict(list)
    for file in table.files(workspace, stored):
        if Path(file).stat().st_size < small:
            days[Path(file).parent.name].append(file)
    return [file for files in days.values() if len(files) >= many for file in files]


def _merge(
    workspace: Workspace, stored: schema.Table, gone: list[str], step: Callable[[str], None]
) -> int:
    if gone:
        order = ", ".join((schema.PARTITION, *stored.key))
        rows = scan.bare().sql(f"{scan.read_files(stored, gone)} ORDER BY {order}")
        table.rewrite(workspace, stored, rows, gone, step=step)
        table.forget_old(workspace, stored)
    return len(gone)
