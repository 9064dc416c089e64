"""Through the command line: an issued statement stands, while prices and pages change under it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from farthing.cli.main import app
from farthing.domain.errors import Refused

LOG = """\
time,provider,model,input_tokens,output_tokens,team
2026-10-01T00:00:00Z,openai,gpt-4o,100,50,search
2026-10-16T00:00:00Z,openai,gpt-4o,100,50,search
2026-10-16T00:00:00Z,,our-llama,100,50,mail
"""
PRICES = """\
[[prices]]
model = "gpt-4o*"
discount = "17%"
since = 2026-10-15

[[prices]]
model = "our-llama"
input_mtok = "0.50"
output_mtok = "1.50"
"""


class Shell:
    """A user's folder, and commands in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, text: str) -> str:
        file = self.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return str(file)

    def farthing(self, *arguments: str) -> str:
        workspace = str(self.folder / "ws")
        done = CliRunner().invoke(app, ["--workspace", workspace, *arguments])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.stdout

    def told(self, *arguments: str) -> Any:
        return json.loads(self.farthing(*arguments, "--json"))


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_give_a_price_then_rerate_and_the_old_statement_still_stands(shell: Shell) -> None:
    assert shell.told("import", shell.write("log.csv", LOG))["unpriced"] == 1
    statement = shell.told("report", "--by", "team,model")
    issued = datetime.now(UTC).isoformat()
    shell.write("ws/farthing.toml", PRICES)

    (drift, *_) = shell.told("prices", "drift", "--since", "2026-10")
    assert (drift["model"], drift["was_usd"], drift["now_usd"]) == (
        "gpt-4o",
        "0.0015",
        "0.0013725",
    )
    planned = shell.told("prices", "rerate", "--since", "2026-10", "--dry-run")
    assert shell.told("report", "--by", "team,model") == statement
    done = shell.told("prices", "rerate", "--since", "2026-10")
    assert {**planned, "seconds": 0} == {**done, "seconds": 0}
    assert {name: done[name] for name in done if name != "seconds"} == {
        "rows": 3,
        "changed": 2,
        "unpriced": 0,
        "reversed_usd": "0.00075",
        "booked_usd": "0.0007475",
        "difference_usd": "-0.0000025",
    }

    now = shell.told("report", "--by", "team,model")
    assert now["total_usd"] == "0.0014975"
    assert (now["calls"], now["unpriced_calls"]) == (3, 0)
    assert [group["calls"] for group in now["groups"]] == [2, 1]
    again = shell.told("report", "--by", "team,model", "--as-of", issued)
    assert again == statement
    assert shell.told("prices", "rerate")["changed"] == 0
    assert "0 changed" in shell.farthing("prices", "rerate")
    assert "which is the same." in shell.farthing("prices", "drift")


def test_compaction_and_the_same_log_again_leave_a_correction_alone(shell: Shell) -> None:
    shell.told("import", shell.write("log.csv", LOG))
    shell.write("ws/farthing.toml", PRICES)
    shell.told("prices", "rerate")
    total = shell.told("report")["total_usd"]
    for command in (("compact",), ("import", shell.write("again.csv", LOG))):
        shell.told(*command)
        assert shell.told("report")["total_usd"] == total
    lines = [json.loads(line) for line in shell.farthing("calls", "--jsonl").splitlines()]
    assert sum(Decimal(line["effective_usd"] or 0) for line in lines) == Decimal(total)
    assert sorted(line["revision"] for line in lines) == [0, 0, 0, 1, 1, 2, 2]


def test_where_it_cannot_be_compared_it_says_how(shell: Shell) -> None:
    shell.told("import", shell.write("log.csv", LOG))
    with pytest.raises(Refused, match=r"neither a day nor a file.*2026-11-01"):
        shell.farthing("prices", "drift", "--against", "yesterday's")


def test_the_unfinished_day_imported_again_says_that_it_replaced(shell: Shell) -> None:
    def page(tokens: int) -> str:
        result = {
            "object": "organization.usage.completions.result",
            "model": "gpt-4o",
            "input_tokens": tokens,
            "output_tokens": 0,
            "num_model_requests": 1,
        }
        bucket = {"start_time": 1790812800, "end_time": 1790899200, "results": [result]}
        return json.dumps({"object": "page", "data": [bucket]})

    shell.told("import", shell.write("noon.json", page(1000)))
    done = shell.told("import", shell.write("evening.json", page(4000)))
    assert (done["rows"], done["added"], done["corrected"], done["duplicates"]) == (1, 1, 1, 0)
    assert done["cost_usd"] == "0.007500000000"
    assert shell.told("report")["total_usd"] == "0.01"
    said = shell.farthing("import", shell.write("night.json", page(5000)))
    assert "1 of them say more of a bucket that was there" in said
