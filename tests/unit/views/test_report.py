"""The report's figures, and its sentence."""

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from farthing.config import Settings, Split
from farthing.domain.errors import Refused
from farthing.domain.money import Money
from farthing.domain.period import Period
from farthing.domain.where import parse_any
from farthing.views.report import Report, Request, as_json, notes, report, sentence
from tests.ledgers import NOON, call, charge, ledger, new_id

NOW = datetime(2026, 10, 11, tzinfo=UTC)
PLAIN = Settings()
TEN_DAYS = Period(datetime(2026, 10, 1, tzinfo=UTC), None)


def asked(*rows, by="team", settings=PLAIN, where=(), zone="UTC", **options) -> Report:
    request = Request(tuple(by.split(",")), ZoneInfo(zone), NOW, where=parse_any(where), **options)
    return report(ledger(*rows), request, settings)


def test_the_json_has_the_keys_others_rely_on_first():
    rows = [
        call("3", team="search", input_fresh=90, cache_read=10, output_visible=7, reasoning=3),
        call("1"),
    ]
    found = as_json(asked(*rows, by="team,model"))
    assert list(found)[:8] == [
        "currency", "timezone", "since", "until", "total_usd", "groups", "unallocated_usd",
        "unseen_usd",
    ]  # fmt: skip
    assert found["total_usd"] == "4"
    assert found["unallocated_usd"] == "1"
    first = found["groups"][0]
    assert list(first)[:7] == [
        "team", "model", "calls", "input_tokens", "output_tokens", "cost_usd", "share",
    ]  # fmt: skip
    assert (first["team"], first["calls"], first["cost_usd"]) == ("search", 1, "3")
    assert (first["input_tokens"], first["output_tokens"]) == (100, 10)
    assert first["share"] == "0.750000"
    assert first["usd_per_million_tokens"] == "27272.727272727273"
    assert found["groups"][1]["team"] is None


def test_since_and_until_are_told_in_utc():
    period = Period(datetime(2026, 9, 30, 22, tzinfo=UTC), NOW)
    found = as_json(asked(zone="Europe/Berlin", period=period))
    assert found["since"] == "2026-09-30T22:00:00Z"
    assert found["until"] == "2026-10-11T00:00:00Z"
    assert found["groups"] == []
    assert found["total_usd"] == "0"


def test_the_total_is_the_sum_of_the_groups_and_leaves_unseen_out():
    rows = [call("3", team="a"), call("2"), charge("9", describes_calls=True), charge("1")]
    found = as_json(asked(*rows))
    assert sum(Decimal(group["cost_usd"]) for group in found["groups"]) == 6
    assert (found["total_usd"], found["unseen_usd"]) == ("6", "4")


@pytest.mark.parametrize(
    ("by", "unallocated"),
    [("team", "6"), ("team,feature", "4"), ("model", "6"), ("feature,model", "5"), ("day", "6")],
)
def test_unallocated_is_what_names_no_scope_that_was_asked_for(by, unallocated):
    rows = [call("1", team="a"), call("2", feature="f"), call("4")]
    assert as_json(asked(*rows, by=by))["unallocated_usd"] == unallocated


def test_a_split_cost_without_team_is_no_longer_unallocated():
    rows = [call("1", team="a"), call("4", model="shared")]
    settings = Settings(splits=(Split("model=shared", by="even"),))
    for by in ("team", "model"):
        assert as_json(asked(*rows, by=by, settings=settings))["unallocated_usd"] == "0"
    shared = {group["team"]: group["shared_usd"] for group in
              as_json(asked(*rows, settings=settings))["groups"]}  # fmt: skip
    assert shared == {"a": "4", None: "-4"}


def test_the_period_before_has_equal_length():
    rows = [
        call("3", team="a"),
        call("2", team="a", time=datetime(2026, 9, 21, tzinfo=UTC)),
        call("9", team="a", time=datetime(2026, 9, 20, 23, 59, tzinfo=UTC)),
        call("7", team="gone", time=datetime(2026, 9, 30, tzinfo=UTC)),
    ]
    found = as_json(asked(*rows, period=TEN_DAYS))
    assert found["previous_total_usd"] == "9"
    assert [(group["team"], group["previous_usd"]) for group in found["groups"]] == [("a", "2")]


def test_groups_by_time_are_in_order_and_compared_in_total_only():
    rows = [call("3"), call("9", time=NOON.replace(day=2)), call("1", time=NOON.replace(month=9))]
    period = Period(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))
    found = as_json(asked(*rows, by="day", period=period))
    assert [group["day"] for group in found["groups"]] == ["2026-10-02", "2026-10-03"]
    assert found["previous_total_usd"] == "1"
    assert "previous_usd" not in found["groups"][0]


def test_the_grain_is_decided_for_each_period_on_its_own():
    page = charge("5", time=datetime(2026, 9, 25, tzinfo=UTC), describes_calls=True)
    found = as_json(asked(page, call("3"), charge("4", describes_calls=True), period=TEN_DAYS))
    assert (found["total_usd"], found["previous_total_usd"]) == ("3", "5")


def test_a_limit_folds_the_rest_and_keeps_the_total():
    rows = [call(str(n), team=f"t{n}") for n in range(1, 6)]
    found = as_json(asked(*rows, limit=2))
    assert [group["team"] for group in found["groups"]] == ["t5", "t4"]
    assert (found["other"]["groups"], found["other"]["cost_usd"]) == (3, "6")
    assert found["total_usd"] == "15"


def test_unpriced_models_are_named_and_not_zero_dollars_in_silence():
    rows = [call(None, model="new"), call(None, model="new"), call("1")]
    found = as_json(asked(*rows))
    assert found["unpriced_calls"] == 2
    assert found["unpriced"] == [{"provider": "openai", "model": "new", "calls": 2}]


def test_currencies_without_a_rate_are_listed_as_billed():
    row = charge(None, billing_currency="EUR", billed_cost=Decimal("12.50"))
    found = as_json(asked(row, call("1")))
    assert found["unconverted"] == [{"currency": "EUR", "amount": "12.5"}]
    assert (found["total_usd"], found["unpriced_calls"]) == ("1", 0)


def test_required_tags_show_how_much_of_the_cost_carries_them():
    rows = [call("3", team="a", tags='{"app":"x"}'), call("1", team="a")]
    found = as_json(asked(*rows, settings=Settings(required_tags=("team", "app"))))
    assert found["required_tags"] == [
        {"tag": "team", "covered_usd": "4", "share": "1.000000"},
        {"tag": "app", "covered_usd": "3", "share": "0.750000"},
    ]


def test_a_fallback_is_one_call_in_the_total():
    one = new_id()
    rows = [call(id=one, status="error"), call(id=one, attempt=2, model="claude")]
    found = as_json(asked(*rows, by="model"))
    assert [group["calls"] for group in found["groups"]] == [1, 1]
    assert found["calls"] == 1


def test_days_give_every_group_the_same_series():
    rows = [
        call("1", team="a", time=NOON.replace(day=1)),
        call("2", team="a", time=NOON.replace(day=3)),
        call("4", team="b", time=NOON.replace(day=2)),
    ]
    found = asked(*rows, daily=True)
    series = {group.key[0]: [str(amount) for amount in group.daily] for group in found.groups}
    assert series == {"a": ["1", "0", "2"], "b": ["0", "4", "0"]}
    assert as_json(found) == as_json(asked(*rows))


def test_the_same_dimension_twice_is_refused():
    with pytest.raises(Refused, match="--by"):
        asked(by="team,team")


def test_the_sentence_names_the_largest_and_then_the_mover():
    rows = [call("300", team="ads"), call("100", team="search")]
    assert sentence(asked(*rows)) == "$400 in all, 75% of it for ads."
    before = [
        call("40", team="ads", time=NOON.replace(month=9, day=25)),
        call("160", team="search", time=NOON.replace(month=9, day=25)),
    ]
    assert sentence(asked(*rows, *before, period=TEN_DAYS)) == (
        "$400 since 2026-10-01, up 100% on the period before; ads rose most, by $260."
    )
    assert sentence(asked()) == (
        "Nothing was spent here. Bring in what you have with `farthing import FILE`."
    )


def test_a_group_that_vanished_can_be_the_mover():
    before = call("160", team="search", time=NOON.replace(month=9, day=25))
    said = sentence(asked(call("2", team="ads"), before, period=TEN_DAYS))
    assert said == (
        "$2.00 since 2026-10-01, down 99% on the period before; search fell most, by $160."
    )


def test_money_is_exact_where_floats_are_not():
    found = as_json(asked(*[call("0.100000000001") for _ in range(3)]))
    assert found["total_usd"] == "0.300000000003"
    assert Money.of(found["groups"][0]["cost_usd"]) == Money.of("0.300000000003")


def test_a_dimension_that_no_row_has_may_be_a_slip_and_is_named():
    rows = [call("1", tags='{"app":"x"}')]
    assert "'teem'" in notes(asked(*rows, by="teem"))[0]
    assert "'ap'" in notes(asked(*rows, where=["ap=x"]))[0]
    assert notes(asked(*rows, by="team,app", where=["app=x"])) == []


def test_notes_say_what_is_missing_and_how_to_mend_it():
    rows = [
        call(None, model="new"),
        call("3", account="a"),
        call("1", account="b"),
        charge("9", describes_calls=True),
        charge(None, billing_currency="EUR", billed_cost=Decimal("1234.50")),
    ]
    said = "\n".join(notes(asked(*rows, settings=Settings(required_tags=("app",)))))
    assert "$5.00 more was billed" in said
    assert "openai/new" in said
    assert "farthing prices rerate" in said
    assert "1,234.5 EUR has no rate" in said
    assert "0% of the cost has the required tag app" in said
    assert "openai has several accounts" in said
