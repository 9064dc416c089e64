"""A budget begins with what its calls have cost already, to the picodollar, whatever happens."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, rule

from farthing.access import store as keys
from farthing.access.keyring import Keyring
from farthing.access.keys import Key
from farthing.budgets import store
from farthing.budgets.budget import Budget, bare
from farthing.budgets.holds import Holds
from farthing.budgets.opening import put_with
from farthing.budgets.periods import label_of, period_of
from farthing.domain.call import Call
from farthing.domain.money import Money
from farthing.domain.where import holds as matches
from farthing.domain.where import parse
from farthing.gateway.bookkeeper import Bookkeeper
from farthing.gateway.ids import Ids
from farthing.gateway.keeper import Keeper
from farthing.gateway.knobs import Knobs
from farthing.gateway.live import Live
from farthing.gateway.restore import Checkpoints, StoredSums, facts_of, restore
from farthing.gateway.upstreams import Upstreams
from farthing.ledger import journal, watermarks
from farthing.ledger.audit import By
from farthing.ledger.compact import compact
from farthing.ledger.journal import Journal
from farthing.ledger.state import State
from farthing.ledger.workspace import Workspace
from farthing.policy.policy import DEFAULT

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
TIMES = (NOW, NOW - timedelta(hours=3), NOW - timedelta(days=6), NOW - timedelta(days=40))
BIG = Money.of(1000)
ME = By("cli:ada", NOW)


class Desk:
    """The gateway's books without its sockets: keeper, holds, journal and checkpoints are real."""

    def __init__(self, folder):
        self.workspace = Workspace.open(folder)
        self.loop = asyncio.new_event_loop()
        self.cli = State.open(folder)
        with self.cli.changing() as change:
            key = Key(id="k1", tenant="acme", scope={"team": "a"}, created_at=NOW)
            keys.add(change, key, "cli", ME)
        self.open = {}
        self.rows = []  # every settled call, with its cost: what brute force adds up
        self.number = 0
        self.start()

    def start(self):
        journal.adopt(self.workspace)
        self.state = State.open(self.workspace.root)
        keyring = Keyring.load(self.state)
        self.holds = Holds(StoredSums(self.state), NOW.timestamp)
        self.journal = Journal(self.workspace)
        nobody = Upstreams(())
        self.live = self.on_loop(
            lambda: Live(
                keyring=keyring,
                knobs=Knobs(DEFAULT, "", nobody, keyring),
                upstreams=nobody,
                transport=None,
                prices=SimpleNamespace(book=None),
                holds=self.holds,
                ledger=Bookkeeper(self.journal),
                now=NOW.timestamp,
                ids=Ids(),
                most_body=1 << 20,
            )
        )
        self.checkpoints = Checkpoints(self.workspace.root, self.holds, self.journal, {})
        self.keeper = Keeper(self.workspace, self.state, self.live, self.checkpoints, None)
        cuts = self.on_loop(self.keeper.begin)
        tenants = {key.id: key.tenant for key in keyring.all()}
        self.checkpoints.marks = restore(self.workspace, self.state, self.holds, tenants, cuts)

    def stop(self):
        """As if killed: no checkpoint, and calls in flight stay open."""
        self.journal.close()
        self.state.close()
        for one, hold, _, _ in self.open.values():
            self.rows.append((one, hold.amount if hold else 0))
        self.open.clear()

    def on_loop(self, work):
        async def run():
            return work()

        return self.loop.run_until_complete(run())

    def follow(self):
        self.on_loop(self.keeper.load)

    def begin(self, amount=10**12, when=NOW, **facts):
        self.number += 1
        one = Call(id=f"{self.number:032x}", time=when, source="gateway", key="k1", **facts)
        sums = self.holds.sums(self.facts(one), when.timestamp())
        hold = self.holds.try_take(sums, amount) if sums else None
        self.journal.intent(one, Money(amount if hold else 0))
        self.open[self.number] = one, hold, self.loop.time(), sums
        return self.number

    def settle(self, number, cost):
        """The same two steps as the gateway's `Settle`."""
        if (found := self.open.pop(number, None)) is None:
            return
        one, hold, started, _ = found
        if started <= self.holds.changed_at:
            self.holds.settle_late(hold, cost, self.facts(one), one.time.timestamp())
        elif hold is not None:
            self.holds.settle(hold, cost)
        paid = Call(**{name: getattr(one, name) for name in one.__struct_fields__
                       if name != "effective_usd"}, effective_usd=Money(cost))  # fmt: skip
        self.journal.settle(paid)
        self.rows.append((one, cost))

    def spend(self, cost, when=NOW, **facts):
        self.settle(self.begin(when=when, **facts), cost)

    def facts(self, one):
        return {**facts_of(one), "tenant": "acme"}

    def checkpoint(self):
        if (taken := self.checkpoints.take()) is not None:
            self.checkpoints.write(self.state, taken)

    def compact(self):
        compact(self.workspace, keep_from=watermarks.uncounted_from(self.workspace.root))

    def set(self, *budgets, meanwhile=lambda: None):
        """`meanwhile` happens once the ledger is summed up, and before the sums are stored."""
        waiting = [meanwhile]

        def tenants():
            if waiting:
                waiting.pop()()
            return keys.tenants(self.cli)

        def put(change, openings):
            for each in budgets:
                store.put(change, each, "cli", ME, openings.get(each.name))

        put_with(
            self.cli,
            lambda: [each for each in budgets if store.counts_anew(self.cli, each)],
            tenants,
            NOW,
            put,
        )

    def expected(self, budget):
        """Brute force: every row ever settled, one at a time."""
        start, _ = period_of(budget.span, budget.timezone, NOW)
        field = "session_id" if budget.span == "run" else budget.per and bare(budget.per)
        sums = {}
        for one, cost in self.rows:
            facts = self.facts(one)
            whose = facts.get(field) if field else ""
            inside = start is None or one.time >= start
            where = parse(budget.where) if budget.where else ()
            if inside and whose is not None and matches(where, facts):
                place = budget.name, whose, label_of(start)
                sums[place] = sums.get(place, 0) + cost
        return {place: cost for place, cost in sums.items() if cost}

    def counted(self, budget):
        start, _ = period_of(budget.span, budget.timezone, NOW)
        stored = self.cli.rows("SELECT budget, instance, period FROM sums")
        known = {tuple(row) for row in stored} | {each.place for each in self.holds.all_sums()}
        mine = {p for p in known if p[0] == budget.name and p[2] == label_of(start)}
        memory = {each.place: each.settled for each in self.holds.all_sums()}
        kept = StoredSums(self.state).kept
        sums = {place: memory.get(place, kept(place)[0]) for place in mine}
        return {place: cost for place, cost in sums.items() if cost}

    def check(self):
        self.follow()
        for each in store.all_budgets(self.cli).values():
            assert self.counted(each.budget) == self.expected(each.budget)

    def close(self):
        self.journal.close()
        self.state.close()
        self.cli.close()
        self.loop.close()


FACTS = {
    "team": st.sampled_from(["a", "b", None]),
    "customer": st.sampled_from(["x", "y", None]),
    "session_id": st.sampled_from(["one", "two", None]),
    "tags": st.sampled_from([None, '{"urgency":"low"}', '{"it\'s \\"q\\"":"1"}']),
}
BUDGETS = st.builds(
    Budget,
    name=st.sampled_from(["p", "q"]),
    limit=st.just(BIG),
    where=st.sampled_from(
        ["", "team=a", "team!=a", "tags.urgency=low", "tenant=acme,team=b", "customer=", "key=k1"]
    ),
    span=st.sampled_from(["day", "week", "month", "total", "run"]),
    per=st.sampled_from([None, "customer", "tags.urgency"]),
    timezone=st.sampled_from(["UTC", "Europe/Berlin", "Pacific/Apia"]),
    hard=st.booleans(),
)
COST = st.integers(0, 10**9)


class Interleaved(RuleBasedStateMachine):
    """Calls, restarts, kills, compactions and checkpoints, and budgets set amid all of it."""

    flying = Bundle("flying")

    @initialize()
    def open(self):
        self.folder = TemporaryDirectory()
        self.desk = Desk(Path(self.folder.name))

    @rule(target=flying, when=st.sampled_from(TIMES[:3]), facts=st.fixed_dictionaries(FACTS))
    def begin(self, when, facts):
        return self.desk.begin(when=when, **facts)

    @rule(number=consumes(flying), cost=COST)
    def settle(self, number, cost):
        self.desk.settle(number, cost)

    @rule(when=st.sampled_from(TIMES), facts=st.fixed_dictionaries(FACTS), cost=COST)
    def spend(self, when, facts, cost):
        if when == TIMES[-1]:  # a run that was silent for a week begins anew
            facts = {**facts, "session_id": None}
        self.desk.spend(cost, when, **facts)

    @rule()
    def rotate(self):
        self.desk.journal.rotate()

    @rule()
    def compact(self):
        self.desk.compact()

    @rule()
    def checkpoint(self):
        self.desk.checkpoint()

    @rule()
    def follow(self):
        self.desk.follow()

    @rule(checkpoint=st.booleans())
    def restart(self, checkpoint):
        if checkpoint:
            self.desk.checkpoint()
        self.desk.stop()
        self.desk.start()

    @rule(
        budgets=st.lists(BUDGETS, min_size=1, max_size=2, unique_by=lambda each: each.name),
        steps=st.lists(st.sampled_from(["spend", "rotate", "checkpoint", "compact", "follow"])),
        down=st.booleans(),
    )
    def set(self, budgets, steps, down):
        def meanwhile():
            for step in steps:
                if step == "spend":
                    self.desk.spend(7, team="a", customer="x")
                elif step == "rotate":
                    self.desk.journal.rotate()
                else:
                    getattr(self.desk, step)()

        if down:
            self.desk.stop()
            self.desk.set(*budgets)
            self.desk.start()
        else:
            self.desk.set(*budgets, meanwhile=meanwhile)

    @rule(name=st.sampled_from(["p", "q"]))
    def remove(self, name):
        with self.desk.cli.changing() as change:
            store.remove(change, name, ME)

    @rule()
    def check(self):
        self.desk.check()

    def teardown(self):
        if hasattr(self, "desk"):
            try:
                self.desk.check()
            finally:
                self.desk.close()
                self.folder.cleanup()


TestInterleaved = Interleaved.TestCase
TestInterleaved.settings = settings(max_examples=15, stateful_step_count=30, deadline=None)


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    yield desk
    desk.close()


SEARCH = Budget(name="search", limit=BIG, span="month", where="team=a")


def settled(desk):
    return {place[1]: cost for place, cost in desk.counted(SEARCH).items()}


def test_what_the_month_has_cost_counts_in_a_budget_that_is_set_today(desk):
    desk.spend(80, team="a")
    desk.spend(5, team="b")
    desk.spend(1000, NOW - timedelta(days=40), team="a")
    desk.set(SEARCH)
    desk.follow()
    assert settled(desk) == {"": 80}
    assert store.one_budget(desk.cli, "search").opened.carried == Money(80)


def test_a_call_that_ends_between_sum_and_store_counts_once(desk):
    number = desk.begin(team="a")
    desk.set(SEARCH, meanwhile=lambda: desk.settle(number, 30))
    desk.follow()
    desk.check()
    assert settled(desk) == {"": 30}


def test_a_call_in_flight_when_a_budget_is_set_counts_once_it_ends(desk):
    number = desk.begin(team="a")
    desk.set(SEARCH)
    desk.follow()
    desk.settle(number, 40)
    assert settled(desk) == {"": 40}


def test_a_kill_after_setting_and_before_any_checkpoint_loses_nothing(desk):
    desk.spend(10, team="a")
    desk.set(SEARCH, meanwhile=lambda: desk.spend(3, team="a"))
    desk.follow()
    desk.spend(4, team="a")
    desk.begin(amount=100, team="a")  # never answered: booked at its hold
    desk.stop()
    desk.start()
    desk.check()
    assert settled(desk) == {"": 117}


def test_the_journal_keeps_what_a_new_budget_has_not_counted(desk):
    desk.spend(1, team="a")
    desk.checkpoint()
    desk.set(SEARCH)
    desk.spend(2, team="a")
    desk.journal.rotate()
    desk.checkpoint()  # of the budgets that were there before
    desk.compact()
    assert {each.seq for each in journal.segments(desk.workspace)} >= {1}
    desk.check()
    desk.checkpoint()
    desk.compact()
    assert [each.seq for each in journal.segments(desk.workspace)] == [2]
    desk.stop()
    desk.start()
    desk.check()


def test_a_journal_that_moved_on_while_it_was_summed_is_summed_again(desk):
    def move_on():
        desk.spend(5, team="a")
        desk.journal.rotate()
        desk.checkpoint()
        desk.compact()

    desk.spend(1, team="a")
    desk.set(SEARCH, meanwhile=move_on)
    desk.check()
    assert settled(desk) == {"": 6}


def test_a_changed_limit_keeps_the_sums_and_a_changed_filter_makes_new_ones(desk):
    desk.spend(10, team="a")
    desk.spend(7, team="b")
    desk.set(SEARCH)
    first = store.one_budget(desk.cli, "search").opened
    desk.set(Budget(name="search", limit=Money.of(1), span="month", where="team=a"))
    assert store.one_budget(desk.cli, "search").opened == first
    other = Budget(name="search", limit=BIG, span="month", where="team=b")
    desk.set(other)
    desk.follow()
    assert set(desk.counted(other).values()) == {7}


def test_a_checkpoint_that_was_taken_before_a_change_does_not_undo_it(desk):
    desk.set(SEARCH)
    desk.follow()
    desk.spend(10, team="a")
    desk.spend(7, team="b")
    taken = desk.checkpoints.take()
    desk.set(Budget(name="search", limit=BIG, span="month", where="team=b"))
    desk.checkpoints.write(desk.state, taken)
    desk.check()


def test_a_call_that_ends_after_its_budget_was_removed_leaves_no_sum(desk):
    desk.set(SEARCH)
    desk.follow()
    number = desk.begin(team="a")
    with desk.cli.changing() as change:
        store.remove(change, "search", ME)
    desk.follow()
    desk.settle(number, 9)
    desk.checkpoint()
    assert desk.cli.rows("SELECT * FROM sums") == []


def test_what_a_call_cost_beyond_its_hold_blocks_the_budgets_it_held_in(desk):
    both = Budget(name="both", limit=BIG, span="month")
    desk.set(SEARCH)
    desk.follow()
    number = desk.begin(amount=10, team="a")
    desk.set(both)
    desk.follow()
    desk.settle(number, 11)
    blocked = {each.budget.name: bool(each.blocked) for each in desk.holds.all_sums()}
    assert blocked == {"search": True, "both": False}


def test_a_run_that_was_silent_for_a_week_begins_anew(desk):
    runs = Budget(name="runs", limit=BIG, span="run")
    desk.spend(5, NOW - timedelta(days=8), session_id="old")
    desk.spend(6, NOW - timedelta(days=8), session_id="new")
    desk.spend(7, NOW - timedelta(days=6), session_id="new")
    desk.set(runs)
    desk.follow()
    assert desk.counted(runs) == {("runs", "new", ""): 13}


def test_only_what_the_gateway_spent_counts(desk):
    desk.spend(5, team="a")
    imported = Call(id="f" * 32, time=NOW, source="otlp", team="a", effective_usd=Money(70))
    desk.journal.settle(imported)
    desk.set(SEARCH)
    desk.follow()
    assert settled(desk) == {"": 5}


def test_calls_of_the_next_period_open_that_one(desk):
    daily = Budget(name="daily", limit=BIG, span="day")
    desk.spend(5)
    desk.spend(7, NOW + timedelta(days=1))  # midnight came while the ledger was read
    desk.set(daily)
    sums = desk.cli.rows("SELECT period, settled_usd FROM sums ORDER BY period")
    assert sums == [
        ("2026-11-25T00:00:00Z", str(Money(5))),
        ("2026-11-26T00:00:00Z", str(Money(7))),
    ]
    assert store.one_budget(desk.cli, "daily").opened.carried == Money(5)
