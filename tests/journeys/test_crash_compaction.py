"""Kill -9 after every step of a compaction: nothing is lost, doubled or left lying about."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from farthing.ledger import engine
from farthing.ledger.compact import compact
from farthing.ledger.workspace import Workspace
from tests.journeys import crash

CALLS = 7
COMPACTION = ["adopted", "staged", "synced", "moved", "committed", "cleaned", "unlinked", "hidden"]
AFTER = ["tidy moved", "tidy committed", "rollup moved", "rollup committed"]
KILLS = dict.fromkeys(COMPACTION, 20) | dict.fromkeys(AFTER, 10)


@pytest.mark.parametrize("step", KILLS)
def test_no_kill_of_a_compactor_loses_or_doubles_a_call(tmp_path: Path, step: str) -> None:
    chance = random.Random(step)
    workspace = Workspace.open(tmp_path)
    root = str(workspace.root)
    stop = crash.PROCESSES.Event()
    report, said = crash.PROCESSES.Pipe(duplex=False)
    reader = crash.start(crash.watch, root, stop, said)
    con = engine.connect(workspace, threads=1)

    killed = 0
    for kill in range(KILLS[step]):
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

    # The first file of a day has nothing to be merged with.
    assert killed >= KILLS[step] - step.startswith("tidy")
    stop.set()
    reads = report.recv()
    assert isinstance(reads, int), reads
    reader.join()
    compact(workspace)
    engine.attach(con, workspace)
    assert crash.counted(con) == {"a": KILLS[step] * CALLS}
    _nothing_lies_about(workspace)


def _nothing_lies_about(workspace: Workspace) -> None:
    assert list(workspace.journal.iterdir()) == []
    assert list((workspace.tables / ".staging").iterdir()) == []
    log = "".join(each.read_text() for each in workspace.tables.glob("calls/_delta_log/*.json"))
    assert [file for file in workspace.tables.glob("calls/day=*/*") if file.name not in log] == []
