"""What goes into the ledger: every row once, priced exactly, or put aside with its reason."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.domain.call import Call
from farthing.domain.errors import BadInput, Refused
from farthing.domain.money import Money
from farthing.ledger import intake
from farthing.ledger.compact import compact
from farthing.ledger.journal import Journal
from tests.imports import HEADER, LINE, Desk


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def test_a_log_is_priced_to_the_last_digit(desk):
    summary = desk.take_text(HEADER + LINE)
    assert (summary.rows, summary.added, summary.unpriced) == (1, 1, 0)
    # 100 at $2.50 and 50 at $10 a million
    assert summary.cost_usd == Decimal("0.00075")
    assert desk.rows("SELECT list_usd, effective_usd, team, day::VARCHAR FROM calls") == [
        (Decimal("0.00075"), Decimal("0.00075"), "search", "2026-10-01")
    ]


def test_the_same_file_twice_adds_nothing(desk):
    log = desk.write("log.csv", HEADER + LINE + LINE.replace("100", "101"))
    assert desk.take(log).added == 2
    before = sorted(desk.workspace.tables.rglob("*"))
    again = desk.take(log)
    assert (again.added, again.duplicates, again.cost_usd) == (0, 2, 0)
    assert sorted(desk.workspace.tables.rglob("*")) == before


def test_overlapping_files_count_the_most_that_either_has(desk):
    """Two equal lines are two calls; the same two in another file are the same two."""
    one = desk.write("one.csv", HEADER + LINE * 2)
    other = desk.write("other.csv", HEADER + LINE * 3)
    assert desk.take(one, other).added == 3
    assert desk.rows("SELECT count(*), count(DISTINCT id) FROM calls") == [(3, 3)]


@settings(max_examples=25, deadline=None)
@given(files=st.lists(st.lists(st.integers(0, 4), max_size=8), min_size=1, max_size=3))
def test_any_files_in_any_order_count_the_multiset_maximum(files, tmp_path_factory):
    desk = Desk(tmp_path_factory.mktemp("desk"))
    for number, rows in enumerate(files):
        body = "".join(LINE.replace("100", str(100 + row)) for row in rows)
        if rows:
            desk.take_text(HEADER + body, name=f"{number}.csv")
    wanted = sum(max(rows.count(value) for rows in files) for value in range(5))
    assert desk.rows("SELECT count(*) FROM calls") == [(wanted,)]


@pytest.mark.parametrize("provider", ["OpenAI", ""])
def test_equal_calls_are_told_apart_however_their_provider_is_written(desk, provider):
    line = LINE.replace("openai", provider)
    assert desk.take_text(HEADER + line * 2, name="two.csv").added == 2
    assert desk.take_text(HEADER + line * 3, name="three.csv").added == 1
    assert desk.rows("SELECT count(*), count(DISTINCT id) FROM calls") == [(3, 3)]


def test_a_price_list_named_later_does_not_make_the_same_calls_other_ones(desk):
    log = desk.write("log.csv", HEADER + LINE.replace("openai", "acme"))
    assert desk.take(log).unpriced == 1
    desk.configure('[providers.acme]\npriced_as = "openai"\n')
    assert desk.take(log).duplicates == 1


def test_a_providers_response_id_makes_it_the_same_call_in_any_format(desk):
    desk.take_text(
        "time,provider,model,input_tokens,output_tokens,response_id\n"
        "2026-10-01T00:00:00Z,openai,gpt-4o,100,50,chatcmpl-1\n"
    )
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-4o",
        "usage": {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150},
    }
    line = {"provider": "openai", "time": "2026-10-01T00:00:00Z", "body": body}
    again = desk.take_text(json.dumps(line), name="bodies.jsonl")
    assert (again.added, again.duplicates) == (0, 1)


def test_one_id_twice_in_a_file_is_one_call(desk):
    text = (
        "id,time,model,input_tokens,output_tokens\n"
        "a,2026-10-01,gpt-4o,1,1\na,2026-10-01,gpt-4o,1,1\nb,2026-10-01,gpt-4o,1,1\n"
    )
    summary = desk.take_text(text)
    assert (summary.added, summary.duplicates) == (2, 1)


def test_one_answer_that_a_source_tells_twice_under_two_ids_is_one_call(desk):
    text = (
        "id,response_id,time,provider,model,input_tokens,output_tokens\n"
        "a,chatcmpl-1,2026-10-01T00:00:00Z,openai,gpt-4o,100,50\n"
        "b,chatcmpl-1,2026-10-01T00:00:00Z,openai,gpt-4o,100,50\n"
    )
    assert desk.take_text(text).duplicates == 1
    assert desk.rows("SELECT count(*) FROM calls") == [(1,)]


def test_two_services_that_number_their_calls_alike_lose_none(desk):
    log = "id,time,provider,model,input_tokens,output_tokens\n1,{},openai,gpt-4o,{},1\n"
    one = desk.take_text(log.format("2026-10-01T00:00:00Z", 10), name="one.csv")
    other = desk.take_text(log.format("2026-10-01T07:00:00Z", 20), name="other.csv")
    assert (one.added, other.added) == (1, 1)


def test_an_unknown_model_is_kept_and_is_not_free(desk):
    summary = desk.take_text(HEADER + LINE.replace("gpt-4o", "no-such-model"))
    assert (summary.added, summary.unpriced) == (1, 1)
    assert summary.unpriced_models == {"no-such-model"}
    assert desk.rows("SELECT effective_usd, flags FROM calls") == [(None, "unpriced")]


def test_more_cached_than_input_is_kept_as_reported_and_flagged(desk):
    desk.take_text(
        "time,model,prompt_tokens,cached_tokens,completion_tokens\n2026-10-01,gpt-4o,100,150,10\n"
    )
    [(fresh, read, cost, flags)] = desk.rows(
        "SELECT input_fresh, cache_read, effective_usd, flags FROM calls"
    )
    assert (fresh, read, flags) == (-50, 150, "suspect")
    # The cached tokens and the output are billed; nothing is given back for the overlap.
    assert cost == Decimal("0.0002875")


def test_an_answer_with_more_cached_than_input_is_kept_too(desk):
    details = {"cached_tokens": 20}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": details}
    body = {"id": "c", "object": "chat.completion", "model": "gpt-4o", "usage": usage}
    line = {"provider": "openai", "time": "2026-10-01T00:00:00Z", "body": body}
    assert desk.take_text(json.dumps(line), name="bodies.jsonl").added == 1
    found = desk.rows("SELECT input_fresh, cache_read, flags FROM calls")
    assert found == [(-10, 20, "suspect")]


def test_a_failed_call_without_usage_costs_nothing_even_unpriced(desk):
    desk.take_text("time,model,input_tokens,output_tokens,status\n2026-10-01,who-knows,0,0,500\n")
    assert desk.rows("SELECT effective_usd, status, flags FROM calls") == [(0, "error", None)]


def test_options_fill_what_a_source_lacks(desk):
    summary = desk.take_text(
        "ContextTokens,GeneratedTokens\n374,44\n",
        provider="openai",
        model="gpt-4o",
        account="prod",
        date="2026-10-01",
    )
    assert summary.added == 1
    assert desk.rows("SELECT provider, model, account, day::VARCHAR FROM calls") == [
        ("openai", "gpt-4o", "prod", "2026-10-01")
    ]


def test_rows_without_an_account_are_booked_under_the_providers_own(desk):
    desk.configure('[providers.openai]\naccount = "org-acme"\n')
    desk.take_text(HEADER + LINE.replace("openai", "OpenAI") + LINE.replace("openai", "azure"))
    found = desk.rows("SELECT provider, account FROM calls ORDER BY 1")
    assert found == [("azure", None), ("openai", "org-acme")]


def test_a_call_whose_tokens_nobody_counted_is_not_free(desk):
    text = HEADER + LINE.replace("100,50", ",") + LINE.replace("100,50", "0,0")
    assert desk.take_text(text).unpriced == 1
    assert desk.rows("SELECT effective_usd, flags FROM calls ORDER BY 1") == [
        (Decimal(0), None),
        (None, "uncounted,unpriced"),
    ]


def test_a_price_beyond_measure_is_refused_not_a_defect(desk):
    desk.configure('[[prices]]\nmodel = "gpt-4o"\ninput_mtok = "1000000"\noutput_mtok = "1"\n')
    summary = desk.take_text(HEADER + LINE.replace("100,", "99999999,"))
    [refused] = summary.refused
    assert "[[prices]]" in str(refused)
    assert desk.rows("SELECT count(*) FROM calls") == [(0,)]


def test_times_without_an_offset_are_of_the_zone_asked_for(desk):
    text = "time,model,input_tokens,output_tokens\n2026-10-01 00:30:00,gpt-4o,1,1\n"
    desk.take_text(text, timezone="Europe/Berlin")
    assert desk.rows("SELECT time::VARCHAR, day::VARCHAR FROM calls") == [
        ("2026-09-30 22:30:00+00", "2026-09-30")
    ]


@pytest.mark.parametrize(
    "stamp", ["1790812800", "1790812800000", "1790812800000000", "1790812800.0"]
)
def test_times_may_count_from_1970_in_any_unit(desk, stamp):
    desk.take_text(f"ts,model,input_tokens,output_tokens\n{stamp},gpt-4o,1,1\n")
    assert desk.rows("SELECT time::VARCHAR FROM calls") == [("2026-10-01 00:00:00+00",)]


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("log.csv.gz", gzip.compress),
        ("log.csv.zst", zstandard.ZstdCompressor().compress),
        ("log", lambda raw: raw),
    ],
)
def test_compression_is_seen_in_the_bytes_not_the_name(desk, name, pack):
    assert desk.take_text(pack((HEADER + LINE).encode()), name=name).added == 1


def test_folders_and_globs_are_searched_and_hidden_files_are_not(desk):
    desk.write("logs/a/one.csv", HEADER + LINE)
    desk.write("logs/two.csv", HEADER + LINE.replace("100", "7"))
    desk.write("logs/.hidden.csv", HEADER + LINE.replace("100", "8"))
    assert desk.take(desk.folder / "logs").added == 2
    assert desk.take(desk.folder / "logs" / "*.csv").duplicates == 1


def test_a_name_that_finds_nothing_is_refused(desk):
    with pytest.raises(BadInput, match="no such file"):
        desk.take(desk.folder / "none.csv")


def test_one_unreadable_file_does_not_hold_up_the_others(desk):
    good = desk.write("good.csv", HEADER + LINE)
    bad = desk.write("bad.csv.gz", gzip.compress((HEADER + LINE * 9999).encode())[:-99])
    summary = desk.take(bad, good)
    assert summary.added == 1
    assert [str(error) for error in summary.refused] == [
        f"{bad}: the compressed file is cut off or damaged. "
        "Fetch it again and check it with `gzip -t` or `zstd -t`."
    ]


def test_an_importer_that_does_not_exist_is_refused(desk):
    with pytest.raises(Refused, match="There are:"):
        desk.take(desk.write("log.csv", HEADER + LINE), kind="nonsense")


def test_rules_fill_owners_that_the_source_left_open(desk):
    desk.configure(
        '[[allocate]]\nmatch = "model=gpt-4o,app=checkout"\nteam = "shop"\nfeature = "pay"\n'
        '[[allocate]]\nmatch = "app~*"\nteam = "platform"\n'
    )
    desk.take_text(
        "time,model,input_tokens,output_tokens,team,app\n"
        "2026-10-01,gpt-4o,1,1,,checkout\n"
        "2026-10-01,gpt-4o,1,1,search,checkout\n"
        "2026-10-01,gpt-4o-mini,1,1,,checkout\n"
        "2026-10-01,gpt-4o,1,1,,\n"
    )
    assert desk.rows("SELECT model, team, feature FROM calls ORDER BY ALL") == [
        ("gpt-4o", "search", "pay"),
        ("gpt-4o", "shop", "pay"),
        ("gpt-4o", None, None),
        ("gpt-4o-mini", "platform", None),
    ]


def test_a_contract_prices_the_team_and_the_days_it_is_for(desk):
    desk.configure(
        '[[prices]]\nprovider = "openai"\nteam = "search"\nsince = 2026-10-02\ndiscount = "17%"\n'
    )
    desk.take_text(
        HEADER
        + LINE
        + LINE.replace("10-01", "10-02")
        + LINE.replace("10-01", "10-02").replace("search", "ads")
    )
    full, less = Decimal("0.00075"), Decimal("0.0006225")
    assert desk.rows(
        "SELECT team, list_usd, contracted_usd, effective_usd FROM calls ORDER BY time, team"
    ) == [("search", full, full, full), ("ads", full, full, full), ("search", full, less, less)]


def test_every_rate_used_is_remembered_once(desk):
    desk.take_text(HEADER + LINE)
    desk.take_text(HEADER + LINE.replace("search", "ads"))
    [(ids,)] = desk.rows("SELECT count(DISTINCT price_ids) FROM calls")
    files = f"read_parquet('{desk.workspace.tables}/prices/**/*.parquet')"
    assert ids == 1
    assert desk.rows(f"SELECT count(*) - count(DISTINCT (price_id, unit)) FROM {files}") == [(0,)]
    assert desk.rows(
        f"SELECT unit, list_atto FROM {files} WHERE unit IN ('input_fresh', 'output_visible')"
        " ORDER BY 1"
    ) == [("input_fresh", 2_500_000_000_000), ("output_visible", 10_000_000_000_000)]


def test_rows_unlike_the_first_ones_are_not_lost(desk):
    """The fast path learns from the first rows; what comes later may differ in any way."""
    usual = "".join(
        LINE.replace("100", str(n % 5000)).replace("00:00Z", f"{n % 60:02}:00Z")
        for n in range(60_000)
    )
    odd = (
        LINE.replace("gpt-4o", "gpt-4o-mini")
        + LINE.replace("gpt-4o", "no-such-model")
        + LINE.replace("100", "many")
    )
    summary = desk.take_text(HEADER + usual + odd)
    assert (summary.rows, summary.added) == (60_003, 60_002)
    assert (summary.quarantined, summary.unpriced) == (1, 1)
    assert desk.rows("SELECT count(DISTINCT id), count(DISTINCT model) FROM calls") == [(60_002, 3)]


def test_a_full_disk_leaves_nothing_half_written(desk, monkeypatch):
    from farthing.domain.errors import DiskFull
    from farthing.ledger import table

    desk.take_text(HEADER + LINE)
    before = sorted(path for path in desk.workspace.tables.rglob("*") if path.is_file())

    def full(_path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(table, "sync_file", full)
    with pytest.raises(DiskFull, match="Nothing was written"):
        desk.take_text(HEADER + LINE.replace("100", "7"))
    monkeypatch.undo()
    assert sorted(path for path in desk.workspace.tables.rglob("*") if path.is_file()) == before
    assert desk.take_text(HEADER + LINE.replace("100", "7")).added == 1


def test_another_rule_does_not_make_the_same_calls_other_ones(desk):
    log = desk.write("log.csv", HEADER + LINE.replace("search", "") * 2)
    assert desk.take(log).added == 2
    desk.configure('[[allocate]]\nmatch = "model=gpt-4o"\nteam = "shop"\nfeature = "pay"\n')
    assert desk.take(log).duplicates == 2
    desk.configure('[[allocate]]\nmatch = "model=gpt-4o"\nteam = "ads"\n')
    assert desk.take(log).duplicates == 2


def test_searches_that_have_no_price_are_told_and_not_taken_as_free(desk):
    usage = {"input_tokens": 10, "output_tokens": 5, "server_tool_use": {"web_search_requests": 3}}
    body = {"id": "m", "type": "message", "model": "claude-3-haiku-20240307", "usage": usage}
    line = {"provider": "anthropic", "time": "2026-10-01T00:00:00Z", "body": body}
    summary = desk.take_text(json.dumps(line), name="bodies.jsonl")
    assert (summary.unpriced, summary.unpriced_units) == (0, 1)
    assert desk.rows("SELECT flags FROM calls") == [("unpriced_units",)]


def test_what_only_later_rows_count_is_charged_too(desk, monkeypatch):
    """A file is stored by what its first rows are like, after a look at all of them."""
    monkeypatch.setattr(intake, "SAMPLE_ROWS", 2)
    usage = {"input_tokens": 10, "output_tokens": 5}
    searched = usage | {"server_tool_use": {"web_search_requests": 3}}
    lines = [
        {
            "provider": "anthropic",
            "time": "2026-10-01T00:00:00Z",
            "body": {"id": f"m{n}", "type": "message", "model": "claude-sonnet-4-5", "usage": said},
        }
        for n, said in enumerate([usage, usage, usage, searched])
    ]
    text = "\n".join(map(json.dumps, lines))
    # 10 at $3, 5 at $15 a million; a search is 10 cents for ten
    assert desk.take_text(text, name="bodies.jsonl").cost_usd == Decimal("0.030420")


@pytest.mark.parametrize("gateway_first", [True, False])
def test_a_call_that_a_log_and_the_gateway_saw_counts_once(desk, gateway_first):
    log = desk.write(
        "log.csv",
        "time,provider,model,input_tokens,output_tokens,response_id\n"
        "2026-10-01T00:00:00Z,openai,gpt-4o,100,50,r1\n",
    )
    if not gateway_first:
        desk.take(log)
    with Journal(desk.workspace) as journal:
        for response in ("r1", "r2"):
            journal.settle(
                Call(
                    id=f"{response:0>32}",
                    time=datetime(2026, 10, 1, tzinfo=UTC),
                    source="gateway",
                    provider="openai",
                    model="gpt-4o",
                    response_id=response,
                    effective_usd=Money.of("0.00075"),
                )
            )
    if gateway_first:
        desk.take(log)
    counted = "SELECT count(*), sum(effective_usd) FROM calls"
    assert desk.rows(counted) == [(2, Decimal("0.0015"))]
    compact(desk.workspace)
    assert desk.rows(counted) == [(2, Decimal("0.0015"))]
