"""What `farthing compact` says and does."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from farthing.cli.main import app
from farthing.domain.errors import Refused
from farthing.domain.money import Money
from farthing.ledger import engine, journal
from farthing.ledger.journal import Journal
from farthing.ledger.state import State
from farthing.ledger.workspace import Workspace
from tests.unit.ledger.calls import call


def test_it_moves_the_journal_and_says_how_much(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path)
    writing = Journal(workspace)
    writing.settle(call(1, effective_usd=Money.of("0.25")))
    writing.intent(call(2), Money.of("0.5"))
    writing.close()
    assert _compact(tmp_path) == (
        "2 rows of 1 segment moved. 1 call of unknown outcome booked at the hold: recovered.\n"
    )
    assert journal.segments(workspace) == []
    total = engine.connect(workspace).sql("SELECT sum(effective_usd)::VARCHAR FROM rollup")
    assert total.fetchall() == [("0.750000000000",)]


def test_what_no_budget_has_counted_stays_in_the_journal(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path)
    State.open(tmp_path).close()
    with Journal(workspace) as writing:
        writing.settle(call(1))
    assert "1 row of 1 segment moved" in _compact(tmp_path)
    assert len(journal.segments(workspace)) == 1


def test_without_work_it_says_so(tmp_path: Path) -> None:
    Workspace.open(tmp_path)
    assert "Nothing to move" in _compact(tmp_path)


def test_as_json_it_counts(tmp_path: Path) -> None:
    with Journal(Workspace.open(tmp_path)) as writing:
        writing.settle(call(1))
    assert json.loads(_compact(tmp_path, "--json")) == {
        "rows": 1,
        "segments": 1,
        "adopted": 0,
        "recovered": 0,
        "rollup_rows": 1,
    }


def test_a_workspace_that_is_not_there_is_refused_not_made(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["--workspace", str(tmp_path / "none"), "compact"])
    assert isinstance(done.exception, Refused)
    assert not (tmp_path / "none").exists()


def _compact(root: Path, *options: str) -> str:
    done = CliRunner().invoke(app, ["--workspace", str(root), "compact", *options])
    assert done.exit_code == 0, done.exception
    return done.output
