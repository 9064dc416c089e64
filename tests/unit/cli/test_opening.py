"""Budgets that are set in the middle of a period, by command and by file."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from farthing.cli.main import app
from farthing.domain.call import Call
from farthing.domain.money import Money
from farthing.ledger.journal import Journal
from farthing.ledger.workspace import Workspace

FILE = """
[budgets.search]
limit = "100/month"
where = "team=search"
[budgets.each]
limit = "5/total"
per = "customer"
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    now = datetime.now(UTC)
    with Journal(Workspace.open(tmp_path / ".farthing")) as lines:
        for number, (cost, team, customer) in enumerate(
            [("80", "search", "x"), ("3", "search", None), ("1", "ads", "x")]
        ):
            lines.settle(
                Call(id=f"{number:032x}", time=now, source="gateway", team=team,
                     customer=customer, effective_usd=Money.of(cost))
            )  # fmt: skip
    return lambda *words: _output(words)


def _output(words):
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_what_the_month_cost_already_counts_and_is_told(run):
    limit = ("--limit", "100/month", "--where", "team=search")
    told = json.loads(run("budget", "set", "search", *limit, "--json"))
    assert (told["settled_usd"], told["carried_usd"]) == ("83", "83")
    assert told["remaining_usd"] == "17"
    assert told["counts_since"].startswith("20")
    assert "83 of it from before 20" in run("budget", "show", "search")


def test_a_file_opens_all_its_budgets_at_once(run, tmp_path):
    (tmp_path / "farthing.toml").write_text(FILE)
    run("config", "apply", "farthing.toml")
    found = {each["name"]: each for each in json.loads(run("budget", "list", "--json"))}
    assert found["search"]["settled_usd"] == "83"
    assert [each["settled_usd"] for each in found["each"]["instances"]] == ["81"]
    run("budget", "raise", "search", "--limit", "200/month")
    assert json.loads(run("budget", "show", "search", "--json"))["settled_usd"] == "83"


def test_a_new_key_s_budget_waits_for_no_query(run, tmp_path):
    script = (
        "import sys; from farthing.cli.main import app\n"
        "try: app(['key', 'create', '--team', 'search', '--hard-budget', '1/month'])\n"
        "except SystemExit as done: assert not done.code, done\n"
        "assert 'duckdb' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_budget_that_a_file_gives_to_a_key_in_use_begins_with_what_it_spent(run, tmp_path):
    text = '[keys.bot]\nteam = "search"\n'
    (tmp_path / "farthing.toml").write_text(text)
    run("config", "apply", "farthing.toml")
    (key,) = [each["id"] for each in json.loads(run("key", "list", "--json"))]
    with Journal(Workspace.open(tmp_path / ".farthing")) as lines:
        lines.settle(
            Call(id="9" * 32, time=datetime.now(UTC), source="gateway", key=key,
                 effective_usd=Money.of("7"))
        )  # fmt: skip
    (tmp_path / "farthing.toml").write_text(f'{text}hard_budget = "20/month"\n')
    run("config", "apply", "farthing.toml")
    assert json.loads(run("budget", "show", f"key-{key}", "--json"))["carried_usd"] == "7"
