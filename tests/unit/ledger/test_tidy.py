"""Few files, the same rows."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from farthing.ledger import engine, rollup, schema, table
from farthing.ledger.compact import compact
from farthing.ledger.journal import Journal
from farthing.ledger.tidy import tidy
from farthing.ledger.workspace import Workspace
from tests.unit.ledger.calls import CENT, NOON, call, seen


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path)


def test_a_days_many_small_files_become_one_and_no_row_changes(workspace: Workspace) -> None:
    _write(workspace, range(5))
    before = seen(workspace)
    assert tidy(workspace, many=5) == 5
    assert len(table.files(workspace, schema.CALLS)) == 1
    assert seen(workspace) == before
    assert tidy(workspace, many=2) == 0


def test_days_with_few_or_large_files_are_left_alone(workspace: Workspace) -> None:
    _write(workspace, range(4))
    before = table.files(workspace, schema.CALLS)
    assert tidy(workspace, many=5) == 0
    assert tidy(workspace, many=2, small=100) == 0
    assert table.files(workspace, schema.CALLS) == before


def test_each_day_keeps_its_own_file(workspace: Workspace) -> None:
    _write(workspace, range(3))
    _write(workspace, range(3, 6), days=1)
    assert tidy(workspace, many=3) == 6
    folders = {Path(file).parent.name for file in table.files(workspace, schema.CALLS)}
    assert folders == {"day=2026-10-01", "day=2026-10-02"}
    assert len(table.files(workspace, schema.CALLS)) == 2


def test_a_reader_at_work_keeps_its_files(workspace: Workspace) -> None:
    _write(workspace, range(3))
    reader = engine.connect(workspace)
    tidy(workspace, many=3)
    assert reader.sql("SELECT count(*) FROM calls").fetchall() == [(3,)]


@pytest.mark.parametrize("covered", [0, 2, 4])
def test_the_rollup_is_right_whatever_it_covered(workspace: Workspace, covered: int) -> None:
    _write(workspace, range(covered))
    rollup.update(workspace)
    _write(workspace, range(covered, 4))
    tidy(workspace, many=2)
    for _ in range(2):
        sums = "SELECT sum(calls), sum(effective_usd) FROM rollup"
        assert engine.connect(workspace).sql(sums).fetchall() == [(4, Decimal("0.04"))]
        rollup.update(workspace)


def test_the_rollup_does_not_start_anew_because_files_were_merged(workspace: Workspace) -> None:
    _write(workspace, range(3))
    rollup.update(workspace)
    tidy(workspace, many=3)
    assert rollup.update(workspace) == 0


def test_the_rollup_starts_anew_once_a_file_it_needs_is_gone(workspace: Workspace) -> None:
    _write(workspace, range(1))
    rollup.update(workspace)
    _write(workspace, range(1, 3))
    old = table.files(workspace, schema.CALLS)
    tidy(workspace, many=3)
    for file in old:
        Path(file).unlink()
    for _ in range(2):
        sums = "SELECT sum(calls), sum(effective_usd) FROM rollup"
        assert engine.connect(workspace).sql(sums).fetchall() == [(3, Decimal("0.03"))]
        rollup.update(workspace)


def test_compaction_after_a_merge_still_knows_what_is_stored(workspace: Workspace) -> None:
    _write(workspace, range(3))
    tidy(workspace, many=3)
    _write(workspace, range(3))
    assert len(seen(workspace)) == 3


def _write(workspace: Workspace, numbers: range, days: int = 0) -> None:
    """One commit a call."""
    for number in numbers:
        with Journal(workspace) as writing:
            one = call(number, effective_usd=CENT, time=NOON + timedelta(days=days))
            writing.settle(one)
        compact(workspace)
