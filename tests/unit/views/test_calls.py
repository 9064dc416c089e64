"""Single rows come out as facts, however many there are."""

import tracemalloc
from datetime import timedelta

import msgspec

from farthing.domain.money import Money
from farthing.domain.where import parse_any
from farthing.ledger.queries import Selection
from farthing.views.calls import facts, latest, line
from tests.ledgers import NOON, call, charge, ledger

FIELDS = [
    "id", "attempt", "revision", "time", "source", "grain", "provider", "account", "response_id",
    "model", "usage", "list_usd", "contracted_usd", "effective_usd", "counterfactual_usd",
    "reason", "price_ids", "policy_version", "arm", "scope", "tags", "status", "flags",
]  # fmt: skip


def test_a_call_has_the_fields_that_others_rely_on():
    row = call(
        "0.50",
        input_fresh=3,
        reasoning=4,
        counterfactual_usd=Money.of("0.000000000001"),
        price_ids="a,b",
        flags="suspect",
        team="ads",
        tags='{"app":"x"}',
        model=None,
        model_served="gpt-4o-2024-08-06",
    )
    (fact,) = facts(ledger(row), Selection())
    assert list(fact) == FIELDS
    assert fact["usage"] == {
        "input_fresh": 3, "cache_read": 0, "cache_write_short": 0, "cache_write_long": 0,
        "output_visible": 0, "reasoning": 4,
    }  # fmt: skip
    assert (fact["time"], fact["grain"]) == ("2026-10-03T12:00:00Z", "call")
    assert (fact["effective_usd"], fact["list_usd"]) == ("0.5", None)
    assert fact["counterfactual_usd"] == "0.000000000001"
    assert (fact["price_ids"], fact["flags"], fact["tags"]) == (
        ["a", "b"],
        ["suspect"],
        {"app": "x"},
    )
    assert fact["scope"]["team"] == "ads"
    assert fact["scope"]["key"] is None
    assert fact["model"] == "gpt-4o-2024-08-06"


def test_a_charge_has_the_same_fields():
    (fact,) = facts(ledger(charge("100")), Selection())
    assert list(fact) == FIELDS
    assert (fact["grain"], fact["attempt"], fact["effective_usd"]) == ("invoice", None, "100")


def test_no_row_is_left_out_for_its_grain():
    rows = [call(), charge(describes_calls=True), charge(grain="usage", describes_calls=True)]
    assert len(list(facts(ledger(*rows), Selection()))) == 3


def test_a_filter_and_a_limit_apply_to_both_tables():
    rows = [call(team="a"), call(team="b"), charge(team="a")]
    found = list(facts(ledger(*rows), Selection(where=parse_any(["team=a"]))))
    assert [fact["grain"] for fact in found] == ["call", "invoice"]
    assert len(list(facts(ledger(*rows), Selection(), limit=2))) == 2


def test_a_line_is_one_line_of_json():
    (fact,) = facts(ledger(call(tags='{"a":"line\\nbreak"}')), Selection())
    written = line(fact)
    assert written.count(b"\n") == 1
    assert msgspec.json.decode(written) == fact


def test_the_latest_come_first_from_both_tables():
    rows = [call(time=NOON + timedelta(hours=hour)) for hour in (1, 3, 2)]
    later = charge(time=NOON + timedelta(hours=9))
    found = latest(ledger(*rows, later), Selection(), 3)
    assert [fact["time"][11:13] for fact in found] == ["21", "15", "14"]


def test_streaming_many_rows_takes_no_more_memory_than_few():
    connection = ledger(call(team="a" * 50))
    connection.execute("INSERT INTO calls SELECT calls.* FROM calls, range(40_000)")
    tracemalloc.start()
    count = sum(1 for _ in facts(connection, Selection()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 40_001
    assert peak < 40_000_000
