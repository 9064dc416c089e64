"""What budgets have not counted stays in the journal, though the table has it."""

from __future__ import annotations

from pathlib import Path

from farthing.ledger import journal, watermarks
from farthing.ledger.compact import compact
from farthing.ledger.journal import Journal
from farthing.ledger.state import State
from farthing.ledger.workspace import Workspace
from tests.unit.ledger.calls import call, seen


def test_without_state_nobody_counts(tmp_path: Path) -> None:
    assert watermarks.uncounted_from(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_segment_goes_once_the_sums_have_it_whole(tmp_path: Path) -> None:
    workspace, state = Workspace.open(tmp_path), State.open(tmp_path)
    with Journal(workspace) as writing:
        for number in range(3):
            writing.settle(call(number))
            writing.rotate()
        for passed, left in ((None, [1, 2, 3, 4]), (1, [1, 2, 3, 4]), (3, [3, 4]), (9, [4])):
            if passed is not None:
                with state.changing() as change:
                    row = (writing.set, passed, 0)
                    change.execute("INSERT OR REPLACE INTO watermarks VALUES (?, ?, ?)", row)
            compact(workspace, keep_from=watermarks.uncounted_from(tmp_path))
            assert [each.seq for each in journal.segments(workspace)] == left
            assert len(seen(workspace)) == 3
    state.close()
