"""Move what the journal has sealed into the table, so that every row is always in one of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from farthing.ledger import engine, journal, scan, schema, table, used_rates
from farthing.ledger.durable import sync_file, sync_folders
from farthing.ledger.journal import Segment
from farthing.ledger.workspace import Workspace

_GONE = ".gone"


@dataclass(frozen=True, slots=True)
class Compacted:
    """What one run did."""

    rows: int
    segments: int
    adopted: int  # sets of processes that are gone
    recovered: int  # their calls of unknown outcome, booked at their hold


def compact(
    workspace: Workspace,
    *,
    keep_from: Mapping[str, int] | None = None,
    step: Callable[[str], None] = table.no_step,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Compacted:
    """Adopt dead processes' sets, store every sealed segment and its rates, then unlink it.

    `keep_from` says, by set, the first segment that a budget has not counted yet: that one and
    those after it stay on disk, as do sets that it does not name. None: nobody counts. `step`
    is told what has been done; a process that dies after any of them loses and doubles nothing.
    """
    with workspace.lock():
        table.sweep(workspace)
        adopted = journal.adopt(workspace)
        step("adopted")
        used_rates.move(workspace, now())
        sealed = journal.sealed(workspace, journal.segments(workspace))
        moved = engine.pending(sealed, table.snapshot(workspace, schema.CALLS))
        rows = _store(workspace, moved, step) if moved else 0
        _unlink(workspace, sealed, keep_from, step)
    return Compacted(rows, len(moved), adopted.sets, adopted.recovered)


def _store(workspace: Workspace, moved: Sequence[Segment], step: Callable[[str], None]) -> int:
    con = scan.bare()
    calls = table.snapshot(workspace, schema.CALLS)
    engine.view_stored(con, workspace, calls)
    engine.load_segments(con, "moved", [each.path for each in moved])
    newest = {each.app: each.seq for each in sorted(moved)}
    # By id, which rises with time: what looks for an id later reads few row groups.
    rows = con.sql(f"SELECT * FROM moved ORDER BY {schema.PARTITION}, id")
    return table.append(workspace, schema.CALLS, rows, txn=newest, step=step)


def _unlink(
    workspace: Workspace,
    sealed: Sequence[Segment],
    keep_from: Mapping[str, int] | None,
    step: Callable[[str], None],
) -> None:
    """Remove what the table has. Open intents live on in the segment after it: sync that first."""
    gone = [each for each in sealed if keep_from is None or each.seq < keep_from.get(each.set, 0)]
    folders = {each.path.parent for each in gone}
    for heir in journal.segments(workspace):
        if heir.path.parent in folders and heir not in gone:
            sync_file(heir.path)
    sync_folders(folders)
    for each in gone:
        each.path.unlink()
        step("unlinked")
    for folder in journal.closed(workspace):
        if not any(folder.glob(f"*{journal.SUFFIX}")):
            # Out of sight first: a folder without its mark would look like a live process's.
            folder.rename(folder.with_name(f".{folder.name}{_GONE}"))
            step("hidden")
    for hidden in workspace.journal.glob(f".*{_GONE}"):
        shutil.rmtree(hidden)
        step("emptied")
    sync_folders([workspace.journal])
