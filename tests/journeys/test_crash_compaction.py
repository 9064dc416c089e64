"""Kill -9 after every step of a compaction: nothing is lost, doubled or left lying about."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from farthing.ledger import engine, journal
from farthing.ledger.compact import compact
from farthing.ledger.workspace import Workspace
from tests.journeys import crash

KILLS = 20
COMPACTION = ["adopted", "staged", "synced", "moved", "committed", "cleaned", "unlinked", "hidden"]
TIDY = ["tidy moved", "tidy committed"]
ROLLUP = ["rollup moved", "rollup committed"]
CALLS = 7


@pytest.mark.parametrize("step", COMPACTION + TIDY + ROLLUP)
def test_no_kill_of_a_compactor_loses_or_doubles_a_call(tmp_path: Path, step: str) -> None:
    chance = random.Random(step)
    workspace = Workspace.open(tmp_path)
    root = str(workspace.root)
    stop = crash.PROCESSES.Event()
    report, said = crash.PROCESSES.Pipe(duplex=False)
    reader = crash.start(crash.watch, root, stop, said)
    con = engine.connect(workspace, threads=1)

    killed = 0
    for kill in range(KILLS):
        first = kill * CALLS + 1
        writer = crash.start(crash.write_then_die, root, "a", first, CALLS)
        writer.join()
        times = chance.randint(1, 2) if step == "unlinked" else 1
        compactor = crash.start(crash.compact_until, root, step, times)
        compactor.join()
        assert compactor.exitcode in (-9, 0)
        killed += compactor.exitcode == -9
        # The writer's last call was open, and adoption is the first step: so it counts now.
        engine.attach(con, workspace)
        assert crash.counted(con) == {"a": first + CALLS - 1}

    # The first file, of the first day, has nothing to be merged with.
    assert killed >= (KILLS - 1 if step in TIDY else KILLS)
    stop.set()
    reads = report.recv()
    assert isinstance(reads, int), reads
    reader.join()
    compact(workspace)
    engine.attach(con, workspace)
    assert crash.counted(con) == {"a": KILLS * CALLS}
    assert list(workspace.journal.iterdir()) == []
    log = "".join(each.read_text() for each in workspace.tables.glob("calls/_delta_log/*.json"))
    assert [file for file in workspace.tables.glob("calls/day=*/*") if file.name not in log] == []
    assert list((workspace.tables / ".staging").iterdir()) == []
    assert journal.segments(workspace) == []
