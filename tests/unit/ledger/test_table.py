"""Rows enter a Delta table all together or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from farthing.domain.errors import Defect
from farthing.ledger import engine, schema, table
from farthing.ledger.workspace import Workspace

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

STEPS = ["staged", "synced", "moved", "committed", "cleaned"]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path / "a workspace? with 'odd' signs")


@pytest.fixture
def con(workspace: Workspace) -> DuckDBPyConnection:
    return engine.connect(workspace)


def test_a_table_without_rows_has_every_column(
    workspace: Workspace, con: DuckDBPyConnection
) -> None:
    for each in schema.TABLES:
        table.create(workspace, each)
    engine.attach(con, workspace)
    for each in schema.TABLES:
        types = con.sql(f"DESCRIBE {each.name}").fetchall()
        assert types == con.sql(f"DESCRIBE {each.empty()}").fetchall()


def test_rows_come_back_as_they_went_in(workspace: Workspace, con: DuckDBPyConnection) -> None:
    rows = _rows(con, "a", 100)
    assert table.append(workspace, schema.CALLS, rows) == 100
    engine.attach(con, workspace)
    text = "COLUMNS(*)::VARCHAR"
    stored = con.sql(f"SELECT {text} FROM calls").order("id").fetchall()
    assert stored == rows.project(text).order("id").fetchall()


def test_each_day_has_its_own_folder(workspace: Workspace, con: DuckDBPyConnection) -> None:
    table.append(workspace, schema.CALLS, _rows(con, "a", 100))
    days = {Path(file).parent.name for file in table.files(workspace, schema.CALLS)}
    assert days == {"day=2026-10-01", "day=2026-10-02"}


def test_a_transaction_is_booked_once(workspace: Workspace, con: DuckDBPyConnection) -> None:
    assert table.append(workspace, schema.CALLS, _rows(con, "a", 3), txn=("set", 0)) == 3
    assert table.append(workspace, schema.CALLS, _rows(con, "a", 3), txn=("set", 0)) == 0
    assert table.append(workspace, schema.CALLS, _rows(con, "b", 2), txn={"set": 1, "x": 9}) == 2
    assert table.snapshot(workspace, schema.CALLS).transaction("x") == 9
    assert _count(workspace) == 5


def test_rows_of_which_a_part_is_stored_are_a_defect(
    workspace: Workspace, con: DuckDBPyConnection
) -> None:
    table.append(workspace, schema.CALLS, _rows(con, "a", 3), txn=("set", 1))
    with pytest.raises(Defect, match="stored already"):
        table.append(workspace, schema.CALLS, _rows(con, "b", 3), txn={"set": 1, "other": 1})


def test_transactions_outlive_a_checkpoint_of_the_log(
    workspace: Workspace, con: DuckDBPyConnection
) -> None:
    from deltalake import DeltaTable

    table.append(workspace, schema.CALLS, _rows(con, "a", 3), txn=("set", 4))
    DeltaTable(workspace.table_uri("calls")).create_checkpoint()
    assert table.append(workspace, schema.CALLS, _rows(con, "a", 3), txn=("set", 4)) == 0
    assert _count(workspace) == 3


def test_columns_that_are_not_the_tables_are_a_defect(
    workspace: Workspace, con: DuckDBPyConnection
) -> None:
    odd = con.sql(f"SELECT * REPLACE (1.5 AS effective_usd) FROM ({schema.CALLS.empty()})")
    with pytest.raises(Defect, match="effective_usd"):
        table.append(workspace, schema.CALLS, odd)
    assert _leftovers(workspace) == []


def test_a_failure_in_the_middle_leaves_no_trace(
    workspace: Workspace, con: DuckDBPyConnection
) -> None:
    table.append(workspace, schema.CALLS, _rows(con, "a", 3))
    broken = _rows(con, "b", 50_000).project("* REPLACE (if(id = 'b49000', error('!'), id) AS id)")
    with pytest.raises(Exception, match="!"):
        table.append(workspace, schema.CALLS, broken)
    assert _count(workspace) == 3
    assert _leftovers(workspace) == []


@pytest.mark.parametrize("step", STEPS)
def test_an_error_at_any_step_leaves_all_rows_or_none(
    workspace: Workspace, con: DuckDBPyConnection, step: str
) -> None:
    def fail(name: str) -> None:
        if name == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        table.append(workspace, schema.CALLS, _rows(con, "a", 10), step=fail)
    assert _count(workspace) == (10 if step in STEPS[3:] else 0)
    assert _leftovers(workspace) == []


@pytest.mark.parametrize("step", STEPS)
def test_what_a_killed_writer_left_is_swept_by_the_next(
    workspace: Workspace, con: DuckDBPyConnection, step: str
) -> None:
    _append_elsewhere(workspace, f"os._exit(9) if name == {step!r} else None", expect=9)
    expected = 10 if step in STEPS[3:] else 0
    assert _count(workspace) == expected
    table.append(workspace, schema.CALLS, _rows(con, "b", 1))
    assert _count(workspace) == expected + 1
    assert _leftovers(workspace) == []


def test_a_disk_without_room_is_said_so_and_keeps_what_was_there(
    workspace: Workspace, con: DuckDBPyConnection
) -> None:
    table.append(workspace, schema.CALLS, _rows(con, "a", 3))
    # The kernel refuses every byte past the limit: the same path as a full disk or quota.
    limit = "__import__('resource').setrlimit(1, (2000, 2000)); sys.stderr = sys.stdout"
    said = _append_elsewhere(workspace, "None", before=limit, expect=3)
    assert "is full" in said
    assert _count(workspace) == 3
    assert _leftovers(workspace) == []


def _rows(con: DuckDBPyConnection, prefix: str, count: int) -> DuckDBPyRelation:
    return con.sql(rows_sql(prefix, count))


def rows_sql(prefix: str, count: int) -> str:
    moment = "TIMESTAMPTZ '2026-10-01 23:00:00+00' + to_minutes(i)"
    return f"""
        SELECT * FROM ({schema.CALLS.empty()}) UNION ALL BY NAME
        SELECT '{prefix}' || i AS id, 1 AS attempt, 0 AS revision, {moment} AS time,
               'test' AS source, 'ok' AS status, (i * 0.000000000001)::DECIMAL(18,12)
               AS effective_usd, ({moment})::DATE AS day
        FROM range({count}) AS numbers(i)
    """


def _append_elsewhere(workspace: Workspace, step: str, *, before: str = "", expect: int) -> str:
    """Append ten rows in another process, which does `step` after each step."""
    script = f"""
import os, sys
from farthing.domain.errors import DiskFull
from farthing.ledger import engine, schema, table
from farthing.ledger.workspace import Workspace
workspace = Workspace.open(sys.argv[1])
rows = engine.connect(workspace).sql({rows_sql("k", 10)!r})
{before}
try:
    table.append(workspace, schema.CALLS, rows, step=lambda name: {step})
except DiskFull as error:
    print(error)
    raise SystemExit(error.exit_code)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(workspace.root)],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == expect, done.stderr
    return done.stdout


def _count(workspace: Workspace) -> int:
    ((count,),) = engine.connect(workspace).sql("SELECT count(*) FROM calls").fetchall()
    return int(count)


def _leftovers(workspace: Workspace) -> list[Path]:
    """Files that no version of a table names."""
    stages = list((workspace.tables / ".staging").glob("*"))
    files = set(workspace.tables.glob("calls/day=*/*"))
    return stages + sorted(files - {Path(file) for file in table.files(workspace, schema.CALLS)})
