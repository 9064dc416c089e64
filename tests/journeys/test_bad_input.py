"""Whatever is handed over: an exit code that means something, a line that helps, no traceback."""

import gzip
import json
import re
import sqlite3
from contextlib import closing

import pytest
import yaml
import zstandard

from tests.conftest import HOME
from tests.imports import HEADER, LINE
from tests.journeys.commands import farthing, farthing_here

CASES = yaml.safe_load((HOME / "tests" / "golden" / "bad_input.yaml").read_text())
ANSWER = {
    "provider": "openai",
    "time": "2026-10-01T00:00:00Z",
    "body": {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-4o",
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    },
}


def rows(count):
    return "".join(LINE.replace("100", str(number)) for number in range(1, count + 1))


def json_lines(count):
    row = {"time": "2026-10-01T00:00:00Z", "provider": "openai", "model": "gpt-4o"}
    return "".join(json.dumps({**row, "input_tokens": n}) + "\n" for n in range(1, count + 1))


def content(case):
    """The bytes of a case's file."""
    parts = {
        "head": HEADER + rows(case.get("repeat", 0)),
        "row": LINE,
        "long": "x" * 200_000,
        "deep": "[" * 100_000 + "]" * 100_000,
        "answer": json.dumps(ANSWER),
        "lines": json_lines(2000),
    }
    encodings = {"latin1": "latin-1", "utf16": "utf-16", "utf16_without_mark": "utf-16-le"}
    encoding = next((codec for key, codec in encodings.items() if case.get(key)), "utf-8")
    made = case["text"].format(**parts).encode(encoding)
    if case.get("gzip"):
        made = gzip.compress(made, mtime=0)
    if case.get("zstd"):
        made = zstandard.compress(made)
    if at := case.get("flip"):
        place = int(len(made) * at)
        made = made[:place] + bytes([made[place] ^ 0xFF]) + made[place + 1 :]
    return made[: int(len(made) * case.get("cut", 1))]


def named(case):
    return case["file"] if "file" in case else " ".join(case["command"])


def in_force(workspace):
    """How many rows each table of state.db has that a command could have left behind."""
    if not (workspace / "state.db").exists():
        return set()
    with closing(sqlite3.connect(workspace / "state.db")) as state:
        tables = ("keys", "key_secrets", "budgets", "policies", "settings", "audit")
        return {state.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}


@pytest.mark.parametrize("case", CASES, ids=named)
def test_bad_input_is_answered_in_words(case, tmp_path):
    command = case.get("command", ["import"])
    run = farthing_here if "command" in case else farthing
    if "file" in case:
        (tmp_path / case["file"]).write_bytes(content(case))
        command = [*command, case["file"]]
    done = run(*command, *case.get("options", ()), folder=tmp_path)
    said = done.stdout + done.stderr
    assert done.returncode == case["code"], said
    for words in case["says"]:
        assert words in said
    assert "Traceback" not in said
    if case["code"] == 2:
        assert re.fullmatch(r"farthing: .+\n", said)  # one line, and nothing else
        assert list(tmp_path.glob(".farthing/tables/*/day=*")) == []
        assert in_force(tmp_path / ".farthing") <= {0}
    assert case.get("never", "\0") not in said
