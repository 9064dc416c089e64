"""Compaction moves rows; it never changes what a reader sees."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from farthing.domain.errors import Unavailable
from farthing.domain.money import Money
from farthing.ledger import engine, journal, scan, schema, table
from farthing.ledger.compact import Compacted, compact
from farthing.ledger.journal import Journal
from farthing.ledger.workspace import Workspace
from tests.unit.ledger.calls import CENT, call, name, seen


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path)


def test_an_empty_journal_is_no_work(workspace: Workspace) -> None:
    assert compact(workspace) == Compacted(0, 0, 0, 0)


def test_sealed_segments_move_and_the_growing_one_stays(workspace: Workspace) -> None:
    with Journal(workspace) as writing:
        for number in range(3):
            writing.settle(call(number, effective_usd=CENT))
            writing.rotate()
        writing.settle(call(3, effective_usd=CENT))
        before = seen(workspace)
        assert compact(workspace) == Compacted(rows=3, segments=3, adopted=0, recovered=0)
        assert [segment.seq for segment in journal.segments(workspace)] == [4]
        assert seen(workspace) == before
        assert _stored(workspace) == 3
        assert compact(workspace) == Compacted(0, 0, 0, 0)


def test_an_open_intent_outlives_its_segment(workspace: Workspace) -> None:
    with Journal(workspace) as writing:
        writing.intent(call(1), CENT)
        writing.rotate()
        compact(workspace)
        writing.settle(call(1, effective_usd=Money.of("0.002")))
        assert seen(workspace) == [(name(1), "ok", Decimal("0.002"))]


def test_a_dead_process_leaves_nothing_but_its_rows(workspace: Workspace) -> None:
    writing = Journal(workspace)
    writing.settle(call(1, effective_usd=CENT))
    writing.intent(call(2), CENT)
    writing.close()
    assert compact(workspace) == Compacted(rows=2, segments=1, adopted=1, recovered=1)
    assert seen(workspace) == [(name(1), "ok", CENT.decimal), (name(2), "recovered", CENT.decimal)]
    assert list(workspace.journal.iterdir()) == []


def test_a_set_that_was_closed_in_order_moves_too(workspace: Workspace) -> None:
    with Journal(workspace) as writing:
        writing.settle(call(1))
    assert compact(workspace) == Compacted(rows=1, segments=1, adopted=0, recovered=0)
    assert list(workspace.journal.iterdir()) == []


def test_segments_that_a_budget_has_not_counted_stay_on_disk(workspace: Workspace) -> None:
    with Journal(workspace) as writing:
        for number in range(4):
            writing.settle(call(number, effective_usd=CENT))
            writing.rotate()
        before = seen(workspace)
        assert compact(workspace, keep_from={writing.set: 3}).rows == 4
        assert [segment.seq for segment in journal.segments(workspace)] == [3, 4, 5]
        assert seen(workspace) == before
        assert compact(workspace, keep_from={}) == Compacted(0, 0, 0, 0)
        assert [segment.seq for segment in journal.segments(workspace)] == [3, 4, 5]
        compact(workspace)
        assert [segment.seq for segment in journal.segments(workspace)] == [5]
        assert seen(workspace) == before


def test_a_call_that_the_table_already_has_is_not_added(workspace: Workspace) -> None:
    for _ in range(2):
        with Journal(workspace) as writing:
            writing.settle(call(1, effective_usd=CENT))
            writing.settle(call(1, attempt=2, effective_usd=CENT))
        compact(workspace)
    assert len(seen(workspace)) == 2
    assert _stored(workspace) == 2


def test_several_processes_are_compacted_in_one_commit(workspace: Workspace) -> None:
    with Journal(workspace) as one, Journal(workspace) as two:
        for number, writing in enumerate((one, two)):
            writing.settle(call(number))
            writing.rotate()
        version = table.snapshot(workspace, schema.CALLS).version
        compact(workspace)
        after = table.snapshot(workspace, schema.CALLS)
        assert after.version == version + 2  # the empty table, then the rows
        assert after.transaction(f"journal/{one.set}") == 1
        assert after.transaction(f"journal/{two.set}") == 1


def test_only_one_compactor_works_at_a_time(workspace: Workspace) -> None:
    other = Workspace.open(workspace.root)
    with workspace.lock(), pytest.raises(Unavailable, match="in use"), other.lock(patience=0.05):
        pass


def _stored(workspace: Workspace) -> int:
    con = scan.bare()
    engine.view_stored(con, workspace, table.snapshot(workspace, schema.CALLS))
    ((count,),) = con.sql("SELECT count(*) FROM stored_calls").fetchall()
    return int(count)
