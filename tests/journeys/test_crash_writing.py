"""Kill -9 while calls are written: every line is found, none twice, and readers never err."""

from __future__ import annotations

import random
import time
from pathlib import Path

from farthing.ledger import engine, journal
from farthing.ledger.compact import compact
from farthing.ledger.workspace import Workspace
from tests.journeys import crash

KILLS = 20


def test_no_kill_of_a_writer_loses_or_doubles_a_call(tmp_path: Path) -> None:
    chance = random.Random(20)
    workspace = Workspace.open(tmp_path)
    root = str(workspace.root)
    stop = crash.PROCESSES.Event()
    report, said = crash.PROCESSES.Pipe(duplex=False)
    reader = crash.start(crash.watch, root, stop, said)
    compactor = crash.start(crash.compact_forever, root, stop)

    con = engine.connect(workspace, threads=1)
    known: dict[str, int] = {}
    for _ in range(KILLS // 2):
        written = {
            source: crash.PROCESSES.Value("q", known.get(source, 0), lock=False)
            for source in ("a", "b")
        }
        writers = [
            crash.start(crash.write, root, source, count.value + 1, count)
            for source, count in written.items()
        ]
        time.sleep(chance.uniform(0.05, 0.25))
        for writer in writers:
            writer.kill()
            writer.join()
        journal.adopt(workspace)
        engine.attach(con, workspace)
        known = crash.counted(con)
        for source, count in written.items():
            # At most one call was under way: its answer was not counted, or its intent was.
            assert known.get(source, 0) - count.value in (0, 1)

    stop.set()
    reads = report.recv()
    assert isinstance(reads, int), reads
    assert reads > KILLS // 2
    for process in (reader, compactor):
        process.join()
        assert process.exitcode == 0
    compact(workspace)
    engine.attach(con, workspace)
    assert crash.counted(con) == known
    assert min(known.values()) > KILLS
    assert journal.segments(workspace) == []
