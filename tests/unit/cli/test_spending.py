"""The reading commands on a real workspace: exit codes, JSON, text."""

import csv
import io
import json

import pytest
import typer
from typer.testing import CliRunner

from farthing.cli import calls, export, reading, reconcile, report
from farthing.domain.errors import Refused
from tests.ledgers import call, charge, ledger

ROWS = [
    call("3", team="search", project="web", output_visible=5),
    call("1", model="gpt-4o-mini"),
    call(None, model="new"),
    charge("6", describes_calls=True, model="gpt-4o", project="web"),
    charge("40", provider="aws", service_category="Compute", team="search"),
]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reading, "_connect", lambda _folder: ledger(*ROWS))
    app = typer.Typer()

    @app.callback()
    def start(context: typer.Context) -> None:
        context.obj = tmp_path / "ws"

    app.command()(report.report)
    app.command()(reconcile.reconcile)
    app.command()(calls.calls)
    return lambda *words, code=0: _output(app, words, code)


def _output(app, words, code) -> str:
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.stdout


def test_report_speaks_first_and_always_shows_what_has_no_owner(run):
    said = run("report")
    assert said.startswith("$44.00 in all, 91% of it for search.")
    assert "unallocated" in said
    assert "$2.00 more was billed than any call tells of" in said
    assert "1 call has no price" in said
    assert "\x1b[" not in said


def test_what_has_no_price_is_never_shown_as_nothing(run):
    lines = run("report", "--by", "model", "--where", "grain=call").splitlines()
    [unpriced] = [line for line in lines if line.lstrip().startswith("new")]
    [total] = [line for line in lines if line.lstrip().startswith("total")]
    assert "no price" in unpriced
    assert "$" not in unpriced
    assert "≥ $4.00" in total


def test_report_as_json_is_what_the_view_says(run):
    found = json.loads(run("report", "--by", "team", "--json", "--where", "provider=openai"))
    assert found["total_usd"] == "4"
    assert [group["team"] for group in found["groups"]] == ["search", None]


def test_report_as_csv_has_a_header_and_a_line_for_each_group(run):
    rows = list(csv.DictReader(io.StringIO(run("report", "--by", "model", "--csv"))))
    assert {row["model"]: row["cost_usd"] for row in rows} == {
        "": "40", "gpt-4o": "3", "gpt-4o-mini": "1", "new": "0",
    }  # fmt: skip


def test_a_limit_says_what_it_hides(run):
    said = run("report", "--by", "model", "--limit", "1")
    assert "other (3 groups)" in said


def test_a_period_that_ends_before_it_begins_is_refused(run):
    with pytest.raises(Refused, match="--since must be before --until"):
        run("report", "--since", "2026-10-02", "--until", "2026-10-01")


def test_reconcile_ends_with_1_where_the_bill_differs(run):
    found = json.loads(
        run("reconcile", "--provider", "openai", "--month", "2026-10", "--json", code=1)
    )
    assert [row["difference_usd"] for row in found] == ["3", "-1", "0"]
    said = run("reconcile", "--provider", "openai", "--month", "2026-10", code=1)
    assert "missing traffic" in said


def test_reconcile_ends_with_0_where_nothing_differs(run):
    assert "nothing" in run("reconcile", "--provider", "openai", "--month", "2026-09").lower()


def test_calls_stream_as_json_lines(run):
    lines = run("calls", "--jsonl", "--where", "team=search").splitlines()
    assert [json.loads(line)["effective_usd"] for line in lines] == ["3", "40"]


def test_calls_as_a_table_say_what_has_no_price(run):
    said = run("calls", "--limit", "5")
    assert "unpriced" in said
    assert "unallocated" in said


def test_export_help_names_the_versions():
    done = CliRunner().invoke(export.app, ["--help"])
    assert "1.2 or 1.4" in done.stdout
