"""The price list is shown exactly, with when and for whom each price holds."""

import json
import subprocess
import sys
from datetime import date
from decimal import Decimal

import msgspec
import pytest
from typer.testing import CliRunner

from farthing.cli.prices import app, listed
from farthing.domain.errors import Refused


@pytest.fixture
def rows(tmp_path):
    def read(model: str, provider: str | None = None, on: date | None = None):
        return [msgspec.to_builtins(row) for row in listed(tmp_path, model, provider, on)]

    return read


def test_each_price_is_a_row_with_unit_dates_source_and_context(rows):
    first = rows("gpt-4o")[0]
    assert first == {
        "unit": "input_tokens",
        "usd_per_million": "2.5",
        "from": None,
        "until": None,
        "source": first["source"],
        "context": None,
    }
    assert first["source"].startswith("genai-prices ")


def test_a_price_per_thousand_is_shown_per_million(rows):
    searches = {row["usd_per_million"] for row in rows("gpt-4o") if row["unit"] == "web_searches"}
    assert searches == {"10000"}


def test_a_day_shows_only_what_holds_on_it(rows):
    inputs = [
        Decimal(row["usd_per_million"])
        for row in rows("gpt-5.6-sol", "openai", date(2026, 8, 21))
        if row["unit"] == "input_tokens" and set(row["context"]) == {"input_tokens_upto"}
    ]
    assert inputs == [4]


def test_tiers_hours_and_sizes_are_told_apart(rows):
    contexts = [row["context"] or {} for row in rows("gpt-5.6-sol")]
    assert {"service_tier": "flex", "input_tokens_upto": "272000"} in contexts
    hours = [row["context"] for row in rows("deepseek-flash", "deepseek")]
    assert {"hours_utc": "01:00-04:00", "weekdays": "Mon,Tue,Wed,Thu,Fri"} in hours


def test_a_tier_shows_only_what_it_changes(rows):
    prior = [row for row in rows("gpt-4o") if row["context"] == {"service_tier": "priority"}]
    assert [row["unit"] for row in prior] == ["input_tokens", "cache_read_tokens", "output_tokens"]
    assert {row["from"] for row in prior} == {"2026-10-12"}


def test_a_contract_is_shown_with_whom_it_is_for(tmp_path):
    text = '[[prices]]\nmodel = "gpt-4o"\nteam = "search"\ndiscount = "10%"\nsince = 2026-01-01\n'
    (tmp_path / "farthing.toml").write_text(text)
    agreed = [
        row
        for row in listed(tmp_path, "gpt-4o", None, None)
        if row.context == {"contract": "1", "team": "search"}
    ]
    assert (agreed[0].unit, agreed[0].usd_per_million) == ("input_tokens", "2.25")
    assert agreed[0].since == "2026-01-01"


def test_a_machine_is_shown_by_its_accelerator(rows):
    machines = rows("H100")
    assert {"aws", "azure", "runpod"} <= {row["context"]["provider"] for row in machines}
    (p5,) = rows("p5.48xlarge")
    assert p5["unit"] == "instance-hours on_demand"
    assert p5["usd_per_million"] == "55040000"


@pytest.mark.parametrize(
    ("model", "provider", "says"),
    [
        ("zorg-9", None, "Check the spelling"),
        ("zorg-9", "openai", "of openai"),
        ("gpt-4o", "acme", "No provider is called 'acme'"),
    ],
)
def test_what_is_unknown_is_refused_with_what_to_do(rows, model, provider, says):
    with pytest.raises(Refused, match=says):
        rows(model, provider)


def test_the_command_prints_json_and_a_table(tmp_path, monkeypatch):
    monkeypatch.setenv("FARTHING_WORKSPACE", str(tmp_path))
    run = CliRunner().invoke(app, ["show", "gpt-4o", "--on", "2026-08-21", "--json"])
    assert run.exit_code == 0
    told = json.loads(run.output)
    assert set(told[0]) == {"unit", "usd_per_million", "from", "until", "source", "context"}
    run = CliRunner().invoke(app, ["show", "gpt-4o"])
    assert run.exit_code == 0
    assert "input_tokens" in run.output
    refused = CliRunner().invoke(app, ["show", "gpt-4o", "--on", "soon"])
    assert isinstance(refused.exception, Refused)


def test_showing_a_price_loads_no_database():
    script = (
        "import sys; from pathlib import Path; from farthing.cli.prices import listed;"
        "listed(Path('nowhere'), 'gpt-4o', None, None);"
        "print([name for name in ('duckdb', 'ibis', 'deltalake') if name in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert run.stdout.strip() == "[]"


def test_importing_the_command_does_not_load_the_prices():
    script = "import sys, farthing.cli.prices; print('genai_prices' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert run.stdout.strip() == "False"
