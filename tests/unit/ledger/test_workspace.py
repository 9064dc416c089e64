"""The folder that holds one ledger: made, locked, refused when newer, migrated when older."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from farthing.domain.errors import BadInput, NewerWorkspace, Refused, Unavailable
from farthing.ledger import engine, schema, table
from farthing.ledger.workspace import Workspace


def test_a_new_workspace_has_its_parts_and_its_schema(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path / "w")
    assert {path.name for path in workspace.root.iterdir() if path.is_dir()} == {
        "journal",
        "tables",
        "quarantine",
    }
    about = json.loads((workspace.root / "workspace.json").read_text())
    assert about["schema"] == schema.VERSION
    assert int(about["id"], 16) > 0


def test_opening_it_again_keeps_its_identity(tmp_path: Path) -> None:
    assert Workspace.open(tmp_path).id == Workspace.open(tmp_path, create=False).id


def test_a_missing_workspace_is_refused_with_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="farthing import FILE"):
        Workspace.open(tmp_path / "nowhere", create=False)


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w").write_text("")
    with pytest.raises(Refused, match="is a file"):
        Workspace.open(tmp_path / "w")


@pytest.mark.parametrize("name", ["a[1]", "100%"])
def test_a_path_that_delta_misreads_is_refused_before_anything_is_written(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(Refused, match="another folder"):
        Workspace.open(tmp_path / name)
    assert not (tmp_path / name).exists()


def test_a_broken_workspace_file_is_refused(tmp_path: Path) -> None:
    Workspace.open(tmp_path)
    (tmp_path / "workspace.json").write_text("{")
    with pytest.raises(BadInput, match=r"workspace\.json"):
        Workspace.open(tmp_path)


def test_a_newer_workspace_is_refused(tmp_path: Path) -> None:
    Workspace.open(tmp_path)
    _say(tmp_path, schema.VERSION + 1)
    with pytest.raises(NewerWorkspace, match="Upgrade farthing"):
        Workspace.open(tmp_path)


def test_an_older_workspace_gains_the_new_columns_and_keeps_a_backup(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path)
    older = replace(schema.CALLS, columns=schema.CALLS.columns[:-2])
    _book(workspace, older, "a")
    _say(tmp_path, schema.VERSION - 1)
    before = _contents(tmp_path / "tables" / "calls" / "_delta_log")

    migrated = Workspace.open(tmp_path)

    kept = tmp_path / "backup" / f"schema-{schema.VERSION - 1}"
    assert json.loads((kept / "workspace.json").read_text())["schema"] == schema.VERSION - 1
    assert _contents(kept / "tables" / "calls" / "_delta_log") == before
    assert json.loads((tmp_path / "workspace.json").read_text())["schema"] == schema.VERSION
    _book(migrated, schema.CALLS, "b")
    rows = engine.connect(migrated).sql("SELECT id, ttft_ms, flags FROM calls ORDER BY id")
    assert rows.fetchall() == [("a", None, None), ("b", 7, "x")]


def test_a_migration_that_was_cut_short_is_finished(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path)
    older = replace(schema.CALLS, columns=schema.CALLS.columns[:-2])
    _book(workspace, older, "a")
    Workspace.open(tmp_path)
    table.add_missing_columns(workspace, schema.CALLS)
    _say(tmp_path, schema.VERSION - 1)
    (tmp_path / "backup" / f".schema-{schema.VERSION - 1}").mkdir(parents=True)

    assert engine.connect(Workspace.open(tmp_path)).sql("SELECT flags FROM calls").fetchall()


def test_one_process_at_a_time_changes_the_tables(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path)
    script = (
        "import sys; from farthing.ledger.workspace import Workspace\n"
        "with Workspace.open(sys.argv[1]).lock():\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert other.stdin is not None
    assert other.stdout is not None
    with other:
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(Unavailable, match=f"in use by pid {other.pid}"),
            workspace.lock(patience=0.1),
        ):
            pass
        other.kill()
    with workspace.lock(patience=5):
        pass


def test_the_lock_nests_and_keeps_other_threads_out(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path)
    refused: list[str] = []

    def intrude() -> None:
        try:
            with workspace.lock(patience=0.05):
                pass
        except Unavailable as error:
            refused.append(str(error))

    with workspace.lock(), workspace.lock():
        thread = threading.Thread(target=intrude)
        thread.start()
        thread.join()
    assert len(refused) == 1
    intrude()
    assert len(refused) == 1


def _say(root: Path, version: int) -> None:
    path = root / "workspace.json"
    about = json.loads(path.read_text()) | {"schema": version, "born": version}
    path.write_text(json.dumps(about))


def _book(workspace: Workspace, shape: schema.Table, name: str) -> None:
    con = engine.connect(Workspace.open(workspace.root.parent / "elsewhere"))
    values = {"id": f"'{name}'", "day": "DATE '2026-10-01'", "ttft_ms": "7", "flags": "'x'"}
    columns = ", ".join(
        f"{values.get(each.name, 'NULL')}::{each.sql} AS {each.name}" for each in shape.columns
    )
    table.append(workspace, shape, con.sql(f"SELECT {columns}, {values['day']} AS day"))


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
