"""Sums after a restart are what they were: the stored ones, and what came after them."""

from datetime import UTC, datetime

from farthing.budgets.budget import Budget
from farthing.budgets.holds import Holds
from farthing.domain.call import Call
from farthing.domain.money import Money
from farthing.gateway.restore import Checkpoints, StoredSums, restore
from farthing.ledger import journal
from farthing.ledger.journal import Journal
from farthing.ledger.state import State
from farthing.ledger.workspace import Workspace

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
BUDGETS = [
    Budget(name="month", limit=Money.of("1"), span="month"),
    Budget(name="tenant", limit=Money.of("1"), span="day", where="tenant=acme"),
    Budget(name="tag", limit=Money.of("1"), span="total", where="ticket=OPS-1"),
]
TENANTS = {"k1": "acme"}


def call(number, pico, **more):
    cost = Money(pico)
    return Call(
        id=f"{number:032x}", time=NOW, source="gateway", key="k1", effective_usd=cost, **more
    )


def opened(root):
    state = State.open(root)
    holds = Holds(StoredSums(state), NOW.timestamp)
    holds.configure(BUDGETS)
    return state, holds


def sums(holds):
    return {each.budget.name: each.settled for each in holds.all_sums() if each.settled}


def test_a_restart_counts_what_the_last_checkpoint_did_not(tmp_path):
    workspace = Workspace.open(tmp_path)
    state, holds = opened(tmp_path)
    with Journal(workspace) as lines:
        checkpoints = Checkpoints(tmp_path, holds, lines, {})
        for number in range(3):
            one = call(number, 10, tags='{"ticket":"OPS-1"}')
            lines.settle(one)
            holds.count({"tenant": "acme", "ticket": "OPS-1"}, NOW.timestamp(), 10)
        checkpoints.write(state, checkpoints.take())
        lines.settle(call(3, 7))
        lines.rotate()
        lines.settle(call(4, 5))
    state, again = opened(tmp_path)
    restore(workspace, state, again, TENANTS)
    assert sums(again) == {"month": 42, "tenant": 42} or sums(again)["month"] == 42
    assert again.sums({"ticket": "OPS-1"}, NOW.timestamp())[1].settled == 30


def test_restarting_twice_counts_nothing_twice(tmp_path):
    workspace = Workspace.open(tmp_path)
    with Journal(workspace) as lines:
        lines.settle(call(1, 9))
    for _ in range(3):
        state, holds = opened(tmp_path)
        with Journal(workspace) as lines:
            checkpoints = Checkpoints(tmp_path, holds, lines, {})
            checkpoints.marks = restore(workspace, state, holds, TENANTS)
            if (taken := checkpoints.take()) is not None:
                checkpoints.write(state, taken)
        assert holds.sums({"tenant": "acme"}, NOW.timestamp())[0].settled == 9
        state.close()


def test_an_intent_without_an_answer_counts_at_its_hold(tmp_path):
    workspace = Workspace.open(tmp_path)
    lines = Journal(workspace)
    lines.intent(call(1, 0), Money(25))
    lines.close()
    journal.adopt(workspace)
    state, holds = opened(tmp_path)
    restore(workspace, state, holds, TENANTS)
    assert holds.sums({"tenant": "acme"}, NOW.timestamp())[0].settled == 25
