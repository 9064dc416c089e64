"""Budgets are kept as they were set, with what is spent of them."""

from datetime import UTC, datetime

import msgspec
import pytest

from farthing.budgets import store
from farthing.budgets.budget import Budget, own
from farthing.domain.errors import Refused
from farthing.domain.money import Money
from farthing.ledger.audit import By, newest
from farthing.ledger.state import State

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
ME = By("cli:ada", NOW)
SEARCH = Budget(
    name="search", limit=Money.of("100.000000000001"), span="month", where="team=search"
)


@pytest.fixture
def state(tmp_path):
    state = State.open(tmp_path)
    with state.changing() as change:
        store.put(change, SEARCH, "cli", ME)
    yield state
    state.close()


def spend(state, instance, period, usd, blocked=None):
    with state.changing() as change:
        row = ("search", instance, period, usd, blocked)
        change.execute("INSERT INTO sums VALUES (?, ?, ?, ?, ?)", row)


def test_a_budget_comes_back_to_the_last_picodollar(state):
    (found,) = store.all_budgets(state).values()
    assert (found.budget, found.origin, found.lifts) == (SEARCH, "cli", 0)


def test_setting_it_again_replaces_it_and_keeps_what_is_spent(state):
    spend(state, "", "2026-11-01T00:00:00Z", "7.5")
    changed = msgspec.structs.replace(SEARCH, limit=Money.of(5))
    with state.changing() as change:
        store.put(change, changed, "config", ME)
    found = store.one_budget(state, "search")
    assert (found.budget, found.origin, found.lifts) == (changed, "config", 0)
    assert [each.settled for each in store.current_sums(state, changed, NOW)] == [Money.of("7.5")]


def test_only_the_current_period_counts_and_the_largest_comes_first(state):
    spend(state, "a", "2026-10-01T00:00:00Z", "99")
    spend(state, "b", "2026-11-01T00:00:00Z", "9")
    spend(state, "c", "2026-11-01T00:00:00Z", "10")
    found = store.current_sums(state, SEARCH, NOW)
    assert [each.instance for each in found] == ["c", "b"]


def test_a_lift_takes_every_block_away_and_counts(state):
    spend(state, "", "2026-11-01T00:00:00Z", "1", "usage above its bound")
    with state.changing() as change:
        store.lift(change, "search", ME)
    assert store.current_sums(state, SEARCH, NOW)[0].blocked is None
    assert store.one_budget(state, "search").lifts == 1


def test_a_removed_budget_takes_its_sums_along(state):
    spend(state, "", "2026-11-01T00:00:00Z", "1")
    with state.changing() as change:
        store.remove(change, "search", ME)
    assert store.all_budgets(state) == {}
    assert state.rows("SELECT * FROM sums") == []
    with pytest.raises(Refused, match="budget list"):
        store.one_budget(state, "search")


def test_each_change_is_noted(state):
    with state.changing() as change:
        store.remove(change, "search", ME)
    notes = newest(state, 5)
    assert [(each.action, each.target) for each in notes] == [
        ("budget.remove", "search"),
        ("budget.set", "search"),
    ]
    assert notes[1].detail["limit"] == "100.000000000001"


def test_a_keys_own_budgets_go_by_its_id():
    found = own("abc", "1.00/month", "0.80/day")
    assert {name: (each.hard, each.where) for name, each in found.items()} == {
        "key-abc": (True, "key=abc"),
        "key-abc-soft": (False, "key=abc"),
    }
    assert own("abc", None, None) == {}


@pytest.mark.parametrize("per", ["", "a b", "x=1"])
def test_a_field_that_is_none_is_refused(per):
    with pytest.raises(Refused, match="no field"):
        msgspec.structs.replace(SEARCH, per=per).checked()
