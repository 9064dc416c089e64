"""What a filter, a zone, a correction and an attempt do to the sums."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from farthing.domain.errors import Refused
from farthing.domain.money import Money
from farthing.domain.period import Period
from farthing.domain.where import parse_any
from farthing.ledger import grain, queries
from farthing.ledger.queries import EVERYTHING, Selection
from farthing.ledger.spend import Key, Spending
from farthing.ledger.zones import Offsets, offsets
from tests.ledgers import NOON, call, charge, ledger, new_id

UTC_ZONE = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")


def spent(rows, *by, where=(), zone=UTC_ZONE, period=EVERYTHING, as_of=None) -> dict[Key, str]:
    connection = ledger(*rows)
    selection = Selection(period, parse_any(where), as_of)
    grain.settle(connection, selection)
    found = Spending(connection, zone).by(selection, by)
    return {key: str(sums.cost) for key, sums in found.items()}


def calls(rows, *by) -> dict[Key, int]:
    connection = ledger(*rows)
    grain.settle(connection, Selection())
    spending = Spending(connection, UTC_ZONE)
    counts = {key: sums.calls for key, sums in spending.by(Selection(), by).items()}
    total, more = spending.fallbacks(Selection(), by)
    for key, calls in more.items():
        counts[key] += calls
    return counts if by else {(): sum(counts.values()) - sum(more.values()) + total}


def test_calls_and_charges_add_up_by_any_dimension():
    rows = [call("1.5", team="search"), call("0.25"), charge("4", team="search")]
    assert spent(rows, "team") == {("search",): "5.5", (None,): "0.25"}
    assert spent(rows, "grain") == {("call",): "1.75", ("invoice",): "4"}


def test_a_tag_is_a_dimension_even_with_a_dot_or_a_quote_in_its_name():
    rows = [call("1", tags='{"app.name":"bot","she \\"x\\"":"y"}'), call("2")]
    assert spent(rows, "app.name") == {("bot",): "1", (None,): "2"}
    assert spent(rows, 'she "x"') == {("y",): "1", (None,): "2"}


def test_the_last_picodollar_is_kept():
    rows = [call("0.000000000001"), call("999999.999999999999")]
    assert spent(rows) == {(): "1000000"}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (["environment=prod"], "1"),
        (["environment!=prod"], "6"),
        (["environment="], "4"),
        (["environment!="], "3"),
        (["model~gpt-4o*"], "3"),
        (["model~gpt-4?"], "3"),
        (["model~gpt-4[!x]"], "3"),
        (["model~gpt-4.*"], "0"),
        (["environment=prod,model=gpt-4o"], "1"),
        (["environment=prod", "environment=dev"], "3"),
        (["service=AI and Machine Learning,grain=call"], "7"),
        (["flavour=sweet"], "4"),
        (["tag.flavour=sweet"], "4"),
        (["response_id=r1"], "2"),
        (["attempt=2"], "2"),
        (["flags~*suspect*"], "2"),
    ],
)
def test_a_filter_keeps_what_it_says(where, expected):
    rows = [
        call("1", environment="prod"),
        call("2", environment="dev", response_id="r1", attempt=2, flags="recovered,suspect"),
        call("4", model="claude", tags='{"flavour":"sweet"}'),
    ]
    assert spent(rows, where=where) == {(): expected}


def test_filtering_by_a_time_points_to_since_and_until():
    with pytest.raises(Refused, match="--since"):
        spent([call()], where=["day=2026-10-03"])


def test_until_is_exclusive_and_since_inclusive():
    at = datetime(2026, 10, 3, 12, 30, tzinfo=UTC)
    rows = [call("1", time=NOON), call("2", time=at), call("4", time=at.replace(minute=31))]
    assert spent(rows, period=Period(at, at.replace(minute=31))) == {(): "2"}
    midnight = datetime(2026, 10, 4, tzinfo=UTC)
    assert spent(rows, period=Period(midnight.replace(day=3), midnight)) == {(): "7"}
    assert spent(rows, period=Period(midnight, None)) == {(): "0"}


def test_days_are_those_of_the_zone_on_both_sides_of_a_clock_change():
    rows = [
        call("1", time=datetime(2026, 10, 24, 22, 0, tzinfo=UTC)),  # 00:00 in Berlin, summer
        call("2", time=datetime(2026, 10, 25, 22, 59, tzinfo=UTC)),  # 23:59, winter
        call("4", time=datetime(2026, 10, 25, 23, 0, tzinfo=UTC)),
    ]
    assert spent(rows, "day", zone=BERLIN) == {("2026-10-25",): "3", ("2026-10-26",): "4"}
    assert spent(rows, "week", zone=BERLIN) == {("2026-10-19",): "3", ("2026-10-26",): "4"}
    assert spent(rows, "month", zone=BERLIN) == {("2026-10",): "7"}


def test_the_hour_that_comes_twice_stays_two_hours():
    rows = [
        call("1", time=datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        call("2", time=datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
    ]
    assert spent(rows, "hour", zone=BERLIN) == {
        ("2026-10-25T02:00+02:00",): "1",
        ("2026-10-25T02:00+01:00",): "2",
    }


def test_hours_of_a_zone_off_by_half_an_hour_begin_at_its_full_hour():
    rows = [call("1", time=datetime(2026, 10, 3, 12, 29, tzinfo=UTC))]
    kolkata = ZoneInfo("Asia/Kolkata")
    assert spent(rows, "hour", zone=kolkata) == {("2026-10-03T17:00+05:30",): "1"}


def test_offsets_change_at_the_very_second():
    found = offsets(BERLIN, date(2026, 10, 20), date(2026, 10, 30))
    assert found == Offsets(((datetime(2026, 10, 25, 1, tzinfo=UTC), 7200),), 3600)


def test_a_correction_moves_cost_and_call_to_the_new_team():
    one = new_id()
    rows = [
        call("2", id=one, team="ads"),
        call("-2", id=one, team="ads", revision=1, booked_at=NOON.replace(day=9)),
        call("3", id=one, team="search", revision=2, booked_at=NOON.replace(day=9)),
    ]
    assert spent(rows, "team") == {("ads",): "0", ("search",): "3"}
    assert calls(rows, "team") == {("ads",): 0, ("search",): 1}


def test_as_of_gives_the_statement_as_it_was_issued():
    one = new_id()
    rows = [
        call("2", id=one),
        call("-2", id=one, revision=1, booked_at=NOON.replace(day=9)),
        call("3", id=one, revision=2, booked_at=NOON.replace(day=9)),
        call("8", time=NOON.replace(day=20)),
    ]
    assert spent(rows, as_of=NOON.replace(day=8)) == {(): "2"}
    assert spent(rows, as_of=NOON.replace(day=9)) == {(): "3"}
    assert spent(rows) == {(): "11"}


def test_a_call_counts_once_however_many_attempts_it_took():
    one = new_id()
    rows = [call(id=one, status="error"), call(id=one, attempt=2), call(id=one, attempt=3)]
    assert calls(rows) == {(): 1}
    assert calls(rows, "model") == {("gpt-4o",): 1}


def test_a_fallback_is_a_call_of_both_models_and_one_call_in_all():
    one = new_id()
    rows = [
        call(id=one, status="error"),
        call(id=one, attempt=2, model="claude"),
        call(id=one, attempt=3, model="claude"),
        call(model="claude"),
    ]
    assert calls(rows, "model") == {("gpt-4o",): 1, ("claude",): 2}
    assert calls(rows) == {(): 2}


def test_a_hit_is_a_call_and_a_refusal_is_not():
    rows = [call("0", attempt=0, reason="cache"), call("0", attempt=0, status="refused")]
    assert calls(rows) == {(): 1}


def test_calls_summed_by_stored_columns_give_what_rows_give():
    one = new_id()
    connection = ledger(
        call("1", team="a", model=None, model_served="gpt-4o"),
        call("2", team="a"),
        call(None, id=one, status="error"),
        call(None, id=one, revision=1, booked_at=NOON),
        call("4", attempt=2, model="claude", model_served="claude-3", reasoning=7, cache_read=9),
        call("0", attempt=0, status="refused"),
    )
    entries = queries.calls(Selection())
    for by in ((), ("model",), ("team", "model"), ("status", "attempt")):
        keys = queries.named_keys(entries, by, Offsets((), 0))
        model = f"k{by.index('model')}" if "model" in by else None
        rows = set(queries.fetch(connection, queries.sums(entries, keys)))
        quick = queries.fetch(connection, queries.call_sums(entries, keys, model))
        assert {_zeroed(row) for row in quick} == {_zeroed(row) for row in rows}


def _zeroed(row: tuple) -> tuple:
    """The sum of nothing is null or 0, depending on how it is asked."""
    return (*row[:-5], *(value or 0 for value in row[-5:]))


def test_an_unpriced_call_is_counted_as_such_until_it_is_priced():
    one = new_id()
    connection = ledger(
        call(None),
        call(None, id=one),
        call(None, id=one, revision=1, booked_at=NOON),
        call("1", id=one, revision=2, booked_at=NOON),
    )
    grain.settle(connection, Selection())
    sums = Spending(connection, UTC_ZONE).by(Selection(), ())[()]
    assert (sums.unpriced, sums.calls, sums.cost) == (1, 2, Money.of(1))


@pytest.mark.parametrize(
    "dialect", ["duckdb", "postgres", "clickhouse", "snowflake", "trino", "bigquery"]
)
def test_a_report_compiles_for_the_engines_that_may_hold_the_ledger(dialect):
    selection = Selection(Period(NOON, NOON.replace(day=9)), parse_any(["model~gpt*,team!=x"]))
    entries = queries.calls(selection)
    clock = offsets(BERLIN, date(2026, 10, 1), date(2026, 10, 30))
    keys = queries.named_keys(entries, ["team", "week"], clock)
    for summed in (queries.sums(entries, keys), queries.call_sums(entries, keys, None)):
        assert "GROUP BY" in queries.sql(summed, dialect)
