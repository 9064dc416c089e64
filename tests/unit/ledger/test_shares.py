"""Shared costs are borne by those who use them, and nothing gets lost."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.config import Split
from farthing.domain.errors import Refused
from farthing.domain.money import Money
from farthing.domain.where import parse_any
from farthing.ledger import grain, shares
from farthing.ledger.queries import Selection
from farthing.ledger.shares import Sharing
from farthing.ledger.spend import Spending
from tests.ledgers import call, charge, ledger

ROWS = [
    call("3", team="search", model="a"),
    call("1", team="ads", model="b"),
    call("10", team="platform", model="a"),
    charge("0.10", team="platform", model="c"),
]


def spent(rows, *by, splits, where=()) -> dict[tuple, str]:
    connection = ledger(*rows)
    selection = Selection(where=parse_any(where))
    grain.settle(connection, selection)
    spending = Spending(connection, ZoneInfo("UTC"), Sharing.read(splits))
    return {key: str(sums.cost) for key, sums in spending.by(selection, by).items()}


def test_evenly_means_the_same_for_each_receiver():
    found = spent(ROWS, "team", splits=[Split("team=platform", by="even")])
    assert found == {("search",): "8.05", ("ads",): "6.05", ("platform",): "0"}


def test_by_usage_means_in_proportion_to_what_each_spent_itself():
    found = spent(ROWS, "team", splits=[Split("team=platform")])
    assert found == {("search",): "10.575", ("ads",): "3.525", ("platform",): "0"}


def test_fixed_shares_may_name_a_team_that_spent_nothing():
    found = spent(ROWS, "team", splits=[Split("team=platform", by={"search": 1, "new": 3})])
    assert found[("new",)] == "7.575"


def test_other_dimensions_keep_what_they_say():
    found = spent(ROWS, "team", "model", splits=[Split("team=platform", by="even")])
    assert found[("ads", "a")] == "5"
    assert found[("ads", "c")] == "0.05"
    assert found[("ads", "b")] == "1"


def test_a_team_filter_shows_what_the_team_bears():
    found = spent(ROWS, "model", splits=[Split("team=platform", by="even")], where=["team=ads"])
    assert found == {("a",): "5", ("b",): "1", ("c",): "0.05"}


def test_a_filter_on_something_else_applies_to_the_shared_rows_too():
    found = spent(ROWS, "team", splits=[Split("team=platform", by="even")], where=["model=a"])
    assert found == {("search",): "8", ("ads",): "5", ("platform",): "0"}


def test_a_report_that_tells_no_receivers_apart_is_left_alone():
    found = spent(ROWS, "model", splits=[Split("team=platform", by="even")])
    assert found == {("a",): "13", ("b",): "1", ("c",): "0.1"}


def test_without_receivers_the_cost_stays_where_it_is():
    found = spent(ROWS[2:], "team", splits=[Split("team=platform", by="even")])
    assert found == {("platform",): "10.1"}


def test_the_first_split_that_matches_takes_the_row():
    splits = [Split("model=c", by={"search": 1}), Split("team=platform", by={"ads": 1})]
    found = spent(ROWS, "team", splits=splits)
    assert found == {("search",): "3.1", ("ads",): "11", ("platform",): "0"}


def test_an_unknown_manner_is_refused_with_those_that_exist():
    with pytest.raises(Refused, match='"even", "usage"'):
        Sharing.read([Split("team=platform", by="fairly")])
    with pytest.raises(Refused, match="whole numbers"):
        Sharing.read([Split("team=platform", by={"ads": -1})])


AMOUNT = st.integers(-(10**15), 10**15).map(Money)


@given(AMOUNT, st.dictionaries(st.text(max_size=3), st.integers(0, 10**9), min_size=1))
def test_the_parts_sum_to_the_whole(amount, weights):
    assert Money.sum(shares.share(amount, weights).values()) == amount


ROW = st.builds(
    lambda team, model, pico: call(str(Money(pico)), team=team, model=model),
    st.sampled_from(["platform", "search", "ads", None]),
    st.sampled_from(["a", "b"]),
    st.integers(0, 10**13),
)
BY = st.one_of(st.sampled_from(["even", "usage"]), st.just({"search": 2, "x": 5}))


@settings(max_examples=20, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=8), BY)
def test_splits_never_change_the_total(rows, by):
    connection = ledger(*rows)
    grain.settle(connection, Selection())
    sharings = Sharing.read([Split("team=platform", by=by), Split("model=b", by="even")])
    groups = Spending(connection, ZoneInfo("UTC"), sharings).by(Selection(), ("team", "model"))
    assert Money.sum(sums.cost for sums in groups.values()) == Money.sum(
        row.effective_usd for row in rows
    )
    assert Money.sum(sums.shared for sums in groups.values()) == Money.ZERO
