"""A log of calls in any shape is read by the names of its columns, and says what it guessed."""

from __future__ import annotations

import json
from decimal import Decimal

import duckdb
import pytest

from farthing.domain.errors import BadInput, Refused
from farthing.ledger.columns import guess
from tests.imports import HEADER, LINE, Desk


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


RECORDS = [
    {
        "timestamp": "2026-10-01T00:00:00Z",
        "model": "gpt-4o",
        "usage": {"prompt_tokens": 100, "completion_tokens": 50},
        "team": "search",
        "app": "checkout",
    }
    for _ in range(3)
]


def test_the_same_calls_in_three_formats_are_the_same_calls(desk):
    lines = "".join(json.dumps(record) + "\n" for record in RECORDS)
    assert desk.take_text(lines, name="log.jsonl").added == 3
    parquet = desk.folder / "log.parquet"
    duckdb.sql(f"COPY (FROM read_json('{desk.folder}/log.jsonl')) TO '{parquet}'")
    assert desk.take(parquet).duplicates == 3
    csv = "timestamp,model,usage.prompt_tokens,usage.completion_tokens,team,app\n"
    csv += "2026-10-01T00:00:00Z,gpt-4o,100,50,search,checkout\n" * 3
    assert desk.take_text(csv).duplicates == 3
    assert desk.rows("SELECT DISTINCT team, tags FROM calls") == [("search", '{"app":"checkout"}')]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_delimiters_and_byte_order_marks_are_seen(desk, delimiter, mark):
    text = mark + (HEADER + LINE).replace(",", delimiter)
    assert desk.take_text(text).added == 1
    assert desk.rows("SELECT team, input_fresh FROM calls") == [("search", 100)]


def test_prompts_and_answers_are_never_taken_for_tags(desk):
    summary = desk.take_text(
        "time,model,input_tokens,output_tokens,prompt,answer_text,region\n"
        + "2026-10-01,gpt-4o,1,1,hello,hi,eu\n" * 4
    )
    assert desk.rows("SELECT DISTINCT tags FROM calls") == [('{"region":"eu"}',)]
    assert "not imported: prompt, answer_text; take one with --map tag.NAME='prompt'" in (
        summary.notes
    )


def test_the_users_map_wins_over_the_guess(desk):
    desk.take_text(
        "when,model,alpha,beta,input_tokens,squad_name\n2026-10-01,gpt-4o,7,8,9,x\n",
        columns={
            "time": "when",
            "input_total": "alpha",
            "output_total": "beta",
            "team": "squad_name",
            "tag.shown": "input_tokens",
        },
    )
    assert desk.rows("SELECT input_fresh, output_visible, team, tags FROM calls") == [
        (7, 8, "x", '{"shown":"9"}')
    ]


@pytest.mark.parametrize("columns", [{"time": "none"}, {"nonsense": "time"}])
def test_a_map_that_cannot_be_followed_is_refused(desk, columns):
    with pytest.raises(Refused, match="--map"):
        desk.take_text(HEADER + LINE, columns=columns)


def test_anthropics_own_field_names_leave_the_cached_tokens_out(desk):
    desk.take_text(
        "time,model,input_tokens,cache_read_input_tokens,cache_creation_input_tokens,output_tokens"
        "\n2026-10-01,claude-sonnet-4-5,10,1000,200,5\n2026-10-01,gpt-4o,1300,1000,200,5\n"
    )
    assert desk.rows(
        "SELECT model, input_fresh, cache_read, cache_write_short FROM calls ORDER BY 1"
    ) == [("claude-sonnet-4-5", 10, 1000, 200), ("gpt-4o", 100, 1000, 200)]


def test_batch_and_tier_change_the_price(desk):
    head = "time,model,input_tokens,output_tokens,batch,service_tier\n"
    desk.take_text(
        head
        + "2026-10-20,claude-sonnet-4-5,1000,0,true,\n2026-10-20,claude-sonnet-4-5,1000,0,false,\n"
    )
    costs = desk.rows("SELECT context, effective_usd FROM calls ORDER BY 2")
    assert costs == [('{"processing":"batch"}', Decimal("0.0015")), (None, Decimal("0.003"))]


BAD = HEADER + (
    "2026-10-01T00:00:00Z,openai,gpt-4o,-5,50,a\n"
    "2026-10-01T00:00:00Z,openai,gpt-4o,99999999999,50,a\n"
    "2026-10-01T00:00:00Z,openai,gpt-4o,NaN,50,a\n"
    "2026-10-01T00:00:00Z,openai,gpt-4o,12.5,50,a\n"
    "2026-10-01T00:00:00Z,openai,gpt-4o,1,12.0,a\n"
    "2099-10-01T00:00:00Z,openai,gpt-4o,1,50,a\n"
    "yesterday,openai,gpt-4o,1,50,a\n"
    ",openai,gpt-4o,1,50,a\n"
    "2026-10-01T00:00:00Z,openai,gpt-4o,1\n"
    "2026-10-01T00:00:00Z,openai,gpt-4o,1,2,a,b\n"
    '2026-10-01T00:00:00Z,openai,"gpt\n-4o",many,50,a\n'
    "2026-10-01T00:00:00Z,openai,gpt-4o,1,none,a\n"
)


def test_each_bad_row_is_put_aside_with_its_line_field_and_reason(desk):
    summary = desk.take_text(BAD)
    assert (summary.added, summary.quarantined) == (1, 11)
    [file] = summary.quarantine
    told = sorted(tuple(json.loads(line).values())[1:] for line in file.read_text().splitlines())
    assert told == [
        (2, "input_tokens", "-5 is negative"),
        (3, "input_tokens", "99999999999 tokens is absurd"),
        (4, "input_tokens", "'NaN' is not a whole number"),
        (5, "input_tokens", "'12.5' is not a whole number"),
        (7, "time", "'2099-10-01T00:00:00Z' is in the future"),
        (8, "time", "'yesterday' is not a time (ISO 8601 or epoch)"),
        (9, "time", "missing; give the day of such rows with --date"),
        (10, "output_tokens", "Expected Number of Columns: 6 Found: 4"),
        (11, "line", "Expected Number of Columns: 6 Found: 7"),
        (12, "input_tokens", "'many' is not a whole number"),
        (14, "output_tokens", "'none' is not a whole number"),
    ]


def test_a_line_that_is_not_json_is_put_aside(desk):
    good = json.dumps(RECORDS[0])
    summary = desk.take_text(f"{good}\n\n{{broken\n{good}\n", name="log.jsonl")
    assert (summary.added, summary.quarantined) == (2, 1)
    [file] = summary.quarantine
    assert json.loads(file.read_text())["line"] == 3


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "empty"),
        (b"a,b\n1,2\n", "not recognised"),
        ("time,model,input_tokens\n".encode("utf-16"), "UTF-16"),
        ((HEADER + LINE.replace("search", "bücher")).encode("latin-1"), "not UTF-8"),
        (b"PAR1 and nothing else", "Parquet"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_the_fix(desk, content, what):
    summary = desk.take_text(content)
    assert summary.added == 0
    [error] = summary.refused
    assert isinstance(error, BadInput)
    assert what in str(error)
    assert error.fix.endswith(".")


def test_totals_win_over_parts_unless_the_user_says_otherwise():
    names = ["time", "input_tokens", "uncached_input_tokens", "output_tokens"]
    assert guess(names, {}, {}).fields["input_total"] == "input_tokens"
    mapped = guess(names, {"input_fresh": "uncached_input_tokens"}, {}).fields
    assert mapped["input_fresh"] == "uncached_input_tokens"
    assert "input_total" not in mapped
