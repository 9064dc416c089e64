"""A rule that comes later gives an owner to rows that have none, and to no others."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from farthing.cli.main import app
from farthing.config import Settings
from farthing.ledger import schema, table
from farthing.ledger.queries import Selection
from farthing.ledger.reallocate import Reallocated, reallocate
from tests.imports import NOW, Desk
from tests.unit.ledger.test_supersede import tokens, usage

LOG = """\
time,provider,model,input_tokens,output_tokens,team,app
2026-10-01T00:00:00Z,openai,gpt-4o,100,50,,bot
2026-10-01T00:00:00Z,openai,gpt-4o,100,50,mail,bot
2026-10-01T00:00:00Z,openai,gpt-4o,100,50,,other
"""
BOT = '[[allocate]]\nmatch = "app=bot"\nteam = "search"\nproject = "assistant"\n'
PAGES = '[[allocate]]\nmatch = "service_name~OpenAI*"\nteam = "platform"\n'
OWNERS = """
    SELECT team, project, sum(effective_usd) FROM calls
    GROUP BY ALL HAVING sum(input_fresh) > 0 ORDER BY ALL"""
USD = Decimal("0.00075")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def again(desk: Desk, *, dry_run: bool = False) -> Reallocated:
    rules = Settings.load(desk.workspace.root).allocate
    later = NOW + timedelta(days=1)
    return reallocate(desk.workspace, rules, Selection(), lambda: later, dry_run=dry_run)


def test_what_is_empty_is_filled_and_what_is_there_stays(desk: Desk) -> None:
    desk.take_text(LOG, columns={"tag.app": "app"})
    desk.configure(BOT)
    done = again(desk)
    assert (done.rows, done.changed, str(done.cost)) == (3, 2, "0.0015")
    assert desk.rows(OWNERS) == [
        ("mail", "assistant", USD),
        ("search", "assistant", USD),
        (None, None, USD),
    ]


def test_a_second_run_and_a_dry_one_write_nothing(desk: Desk) -> None:
    desk.take_text(LOG, columns={"tag.app": "app"})
    desk.configure(BOT)
    before = table.files(desk.workspace, schema.CALLS)
    assert again(desk, dry_run=True).changed == 2
    assert table.files(desk.workspace, schema.CALLS) == before
    again(desk)
    after = table.files(desk.workspace, schema.CALLS)
    assert again(desk).changed == 0
    assert table.files(desk.workspace, schema.CALLS) == after


def test_no_rules_change_nothing(desk: Desk) -> None:
    desk.take_text(LOG)
    assert again(desk).changed == 0


def test_usage_pages_are_allocated_by_columns_that_calls_lack(desk: Desk) -> None:
    desk.take_text(usage(tokens(100, 50)), "usage.json")
    desk.take_text(LOG)
    desk.configure(PAGES)
    assert again(desk).changed == 1
    owned = "SELECT team, sum(requests), sum(effective_usd) FROM charges GROUP BY 1 ORDER BY 1"
    assert desk.rows(owned) == [("platform", 1, USD), (None, 0, Decimal(0))]
    sums = "SELECT team, sum(effective_usd) FROM rollup WHERE grain = 'usage' GROUP BY 1 ORDER BY 1"
    assert desk.rows(sums) == [("platform", USD), (None, Decimal(0))]


def test_the_command_says_what_it_did_and_the_report_follows(desk: Desk) -> None:
    desk.take_text(LOG, columns={"tag.app": "app"})
    desk.configure(BOT)

    def told(*arguments: str) -> dict[str, object]:
        workspace = str(desk.workspace.root)
        done = CliRunner().invoke(app, ["--workspace", workspace, *arguments, "--json"])
        assert done.exit_code == 0, done.output
        answer: dict[str, object] = json.loads(done.stdout)
        return answer

    before = told("report", "--by", "team")
    assert before["unallocated_usd"] == "0.0015"
    done = told("allocate", "--since", "2026-10")
    assert (done["rows"], done["changed"], done["cost_usd"]) == (3, 2, "0.0015")
    after = told("report", "--by", "team")
    assert (after["total_usd"], after["unallocated_usd"]) == ("0.00225", "0.00075")
    assert after["calls"] == before["calls"]
