"""Whatever comes in whatever order: settled + held never exceeds a hard limit."""

import asyncio

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from farthing.budgets.budget import Budget
from farthing.budgets.holds import NOTHING, Holds
from farthing.domain.errors import Unavailable
from farthing.domain.money import Money

NOW = 1_795_000_000.0
TEAMS = ("search", "support")
LIMIT = 1000


class Nowhere:
    """A store without sums."""

    def kept(self, place):
        return NOTHING


def budgets(limit=LIMIT):
    return [
        Budget(name="all", limit=Money(limit), span="month"),
        Budget(name="search", limit=Money(limit // 2), span="day", where="team=search"),
        Budget(name="runs", limit=Money(limit // 4), span="run"),
        Budget(name="soft", limit=Money(1), span="total", hard=False),
    ]


def facts(team="search", session=None):
    return {"team": team, "session_id": session}


class Interleaved(RuleBasedStateMachine):
    """Calls that take, settle and fail in any order, and limits that move."""

    held = Bundle("held")

    def __init__(self):
        super().__init__()
        self.holds = Holds(Nowhere(), lambda: NOW)
        self.holds.configure(budgets())
        self.settled = 0

    @rule(
        target=held,
        team=st.sampled_from(TEAMS),
        session=st.sampled_from([None, "one", "two"]),
        amount=st.integers(0, 400),
    )
    def take(self, team, session, amount):
        sums = self.holds.sums(facts(team, session), NOW)
        fits = all(not s.budget.hard or amount <= s.free for s in sums)
        hold = self.holds.try_take(sums, amount)
        assert (hold is not None) == fits
        return hold

    @rule(hold=consumes(held), share=st.integers(0, 100))
    def settle(self, hold, share):
        if hold is not None:
            cost = hold.amount * share // 100
            assert self.holds.settle(hold, cost)
            assert self.holds.settle(hold, cost)  # a second time does nothing
            self.settled += cost

    @rule()
    def store(self):
        self.holds.take_changed()
        self.holds.forget_idle()

    @invariant()
    def nothing_is_overrun(self):
        for each in self.holds.all_sums():
            assert each.held >= 0
            assert not each.budget.hard or each.settled + each.held <= each.limit

    @invariant()
    def sums_are_equal(self):
        (total,) = [s for s in self.holds.all_sums() if s.budget.name == "all"] or [None]
        assert total is None or total.settled == self.settled


TestInterleaved = Interleaved.TestCase
TestInterleaved.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_what_costs_more_than_it_held_blocks_the_budget_until_it_is_lifted():
    holds = Holds(Nowhere(), lambda: NOW)
    holds.configure(budgets())
    sums = holds.sums(facts(), NOW)
    hold = holds.try_take(sums, 10)
    assert not holds.settle(hold, 11)
    assert holds.try_take(sums, 1) is None
    for name in ("all", "search"):
        holds.lift(name)
    assert holds.try_take(sums, 1) is not None


def test_a_raised_limit_lets_a_waiting_call_through():
    async def run():
        holds = Holds(Nowhere(), lambda: NOW)
        holds.configure(budgets(10))
        sums = holds.sums(facts(), NOW)
        until = asyncio.get_running_loop().time() + 5
        waiting = asyncio.create_task(holds.freed(sums, until))
        await asyncio.sleep(0)
        holds.configure(budgets(10_000))
        assert await waiting
        assert holds.try_take(sums, 100) is not None

    asyncio.run(run())


@pytest.mark.parametrize("amount", [0, 1])
def test_waiting_ends_in_time(amount):
    async def run():
        holds = Holds(Nowhere(), lambda: NOW)
        holds.configure(budgets())
        sums = holds.sums(facts(), NOW)
        return await holds.freed(sums, asyncio.get_running_loop().time() + 0.02 * amount)

    assert asyncio.run(run()) is False


def test_a_call_without_a_session_counts_in_no_run():
    holds = Holds(Nowhere(), lambda: NOW)
    holds.configure(budgets())
    names = {each.budget.name for each in holds.sums(facts(), NOW)}
    assert names == {"all", "search", "soft"}


@pytest.mark.parametrize("field", ["app", "tags.app", "tag.app"])
def test_a_tag_is_told_apart_however_the_filter_spells_it(field):
    holds = Holds(Nowhere(), lambda: NOW)
    holds.configure([Budget(name="app", limit=Money(1), span="day", where=f"{field}=one")])
    assert holds.sums({"app": "two"}, NOW) == ()
    assert len(holds.sums({"app": "one"}, NOW)) == 1


def test_each_hard_budget_stands_once_as_it_is_nearest_its_limit():
    holds = Holds(Nowhere(), lambda: NOW)
    holds.configure(budgets())
    assert {each.budget.name for each in holds.standing(NOW, 10)} == {"all", "search"}
    holds.settle(holds.try_take(holds.sums(facts("support", "one"), NOW), 40), 30)
    holds.try_take(holds.sums(facts("support", "two"), NOW), 200)
    found = {each.budget.name: each for each in holds.standing(NOW, 10)}
    assert (found["all"].settled, found["all"].held) == (30, 200)
    assert (found["runs"].place[1], found["runs"].held) == ("two", 200)
    assert [each.budget.name for each in holds.standing(NOW, 1)] == ["runs"]
    later = NOW + 40 * 86400
    assert {each.budget.name: each.settled for each in holds.standing(later, 10)}["all"] == 0


def test_a_sum_in_use_is_never_forgotten(monkeypatch):
    monkeypatch.setattr("farthing.budgets.holds.MANY", 0)
    holds = Holds(Nowhere(), lambda: NOW)
    holds.configure(budgets())
    sums = holds.sums(facts(), NOW)
    hold = holds.try_take(sums, 0)
    holds.forget_idle()
    assert holds.sums(facts(), NOW)[0] is sums[0]
    holds.settle(hold, 0)
    holds.take_changed()
    holds.forget_idle()
    assert holds.sums(facts(), NOW)[0] is not sums[0]


class Losable:
    """A store that may be out of reach; so much is in it."""

    def __init__(self):
        self.lost = True

    def kept(self, place):
        if self.lost:
            raise Unavailable("The store is out of reach.")
        return 700, None


def test_soft_budgets_count_on_while_their_store_is_out_of_reach():
    store = Losable()
    holds = Holds(store, lambda: NOW)
    holds.configure([Budget(name="soft", limit=Money(1), span="day", hard=False)])
    (soft,) = sums = holds.sums({}, NOW)
    holds.settle(holds.try_take(sums, 5), 5)
    with pytest.raises(Unavailable):  # a sum without its past must not be stored over it
        holds.take_changed()
    assert soft.unread
    store.lost = False
    assert holds.take_changed() == [(soft.place, (705, None))]
    assert not soft.unread


def test_hard_budgets_grant_nothing_that_cannot_be_looked_up():
    holds = Holds(Losable(), lambda: NOW)
    holds.configure([Budget(name="hard", limit=Money(1), span="day")])
    with pytest.raises(Unavailable):
        holds.sums({}, NOW)


def test_what_was_not_looked_up_is_before_a_budget_becomes_hard():
    store = Losable()
    holds = Holds(store, lambda: NOW)
    told = Budget(name="told", limit=Money(1000), span="day", hard=False)
    holds.configure([told])
    holds.sums({}, NOW)
    with pytest.raises(Unavailable):
        holds.configure([msgspec.structs.replace(told, hard=True)])
    store.lost = False
    holds.configure([msgspec.structs.replace(told, hard=True)])
    assert holds.sums({}, NOW)[0].free == 300


def test_a_budget_that_becomes_hard_is_not_blocked_by_what_was_only_estimated():
    def budget(*, hard):
        return Budget(name="team", limit=Money(1000), span="day", hard=hard)

    holds = Holds(Nowhere(), lambda: NOW)
    holds.configure([budget(hard=False)])
    estimates = [holds.try_take(holds.sums({}, NOW), 5) for _ in range(2)]
    holds.configure([budget(hard=True)])
    assert holds.settle(estimates[0], 7)
    assert holds.settle_late(estimates[1], 7, {}, NOW)
    (team,) = holds.sums({}, NOW)
    assert (team.blocked, team.settled, team.held) == (None, 14, 0)
    assert holds.try_take((team,), 100) is not None


def test_what_settles_late_counts_though_its_new_budget_cannot_be_looked_up():
    store, call = Losable(), {"customer": "c"}
    store.lost = False
    old = Budget(name="old", limit=Money(1000), span="day")
    new = Budget(name="new", limit=Money(1000), span="day", per="customer")
    holds = Holds(store, lambda: NOW)
    holds.configure([old])
    hold = holds.try_take(holds.sums(call, NOW), 10)
    holds.configure([old, new], {"new": 1})
    store.lost = True
    assert holds.settle_late(hold, 7, call, NOW)
    with pytest.raises(Unavailable):  # nothing is granted on half a sum
        holds.sums(call, NOW)
    store.lost = False
    assert sorted(kept for _, kept in holds.take_changed()) == [(707, None), (707, None)]
    assert [each.settled for each in holds.sums(call, NOW)] == [707, 707]
