"""What a budget had cost already when it was set: its sums begin with that, to the picodollar.

The ledger is summed up to a cut in the journal, by whoever sets the budget; it comes into force
in one transaction with these sums and the cut, and the gateway counts on from the cut. So no call
counts twice and none is missed, while calls go through as well as when nothing runs.

Only what the gateway spent counts, as afterwards. Imported bills and logs tell of the same
dollars, or of others that no budget here could have refused.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec

from farthing.budgets.budget import Budget, bare
from farthing.budgets.holds import Place
from farthing.budgets.periods import label_of, period_of
from farthing.domain.errors import Unavailable
from farthing.domain.money import Money
from farthing.domain.where import holds, parse
from farthing.ledger.spent import Spent, spent
from farthing.ledger.state import State
from farthing.ledger.watermarks import Cut
from farthing.ledger.workspace import Workspace

T = TypeVar("T")
# A run that was silent for longer begins anew: there may be millions of old sessions.
RUNS_WITHIN = timedelta(days=7)
_TRIES = 10


class Opening(msgspec.Struct, frozen=True):
    """The sums that one budget begins with, and where in the journal they end."""

    cut: Cut
    sums: Mapping[Place, Money]
    carried: Money  # of the current period, all instances together


Openings = Mapping[str, Opening]  # by the budget's name
NONE: Openings = {}


def put_with(
    state: State,
    wanted: Callable[[], list[Budget]],
    tenants: Callable[[], Mapping[str, str]],
    now: datetime,
    put: Callable[[sqlite3.Connection, Openings], T],
) -> T:
    """Run `put` in a transaction, with the openings of all budgets that `wanted` names.

    `tenants` are those of the keys, by id. `wanted` may be called again: where the journal has
    moved on too far meanwhile, or somebody else has changed a budget.
    """
    for _ in range(_TRIES):
        budgets = wanted()
        if not budgets:
            with state.changing() as change:
                return put(change, NONE)
        before = dict(state.rows("SELECT journal_set, seq FROM watermarks"))
        with spent(Workspace.open(state.path.parent)) as ledger:
            openings = {each.name: opening(ledger, each, tenants(), now) for each in budgets}
        with state.changing() as change:
            if _is_on_disk(change, ledger.cut, before) and _counted(wanted()) <= _counted(budgets):
                return put(change, openings)
    raise Unavailable("The journal moves faster than the ledger can be summed up. Try again.")


def opening(ledger: Spent, budget: Budget, tenants: Mapping[str, str], now: datetime) -> Opening:
    """`tenants` are those of the keys, by id: rows do not name them, and a filter may."""
    where = parse(budget.where) if budget.where else ()
    instance = "session_id" if budget.span == "run" else bare(budget.per) if budget.per else None
    named = [bare(condition.field) for condition in where] + ([instance] if instance else [])
    fields = ["key" if name == "tenant" else name for name in named]
    start, end = period_of(budget.span, budget.timezone, now)
    places = label_of(start), label_of(end)
    sums: dict[Place, Money] = defaultdict(lambda: Money.ZERO)
    recent = now - RUNS_WITHIN if budget.span == "run" else None
    for group in ledger.groups(fields, start, end, recent):
        facts = {**group.facts, "tenant": tenants.get(group.facts.get("key") or "")}
        whose = facts.get(instance) if instance else ""
        if whose is not None and holds(where, facts):
            sums[budget.name, whose, places[group.later]] += group.cost
    carried = Money.sum(cost for place, cost in sums.items() if place[2] == places[0])
    return Opening(ledger.cut, sums, carried)


def _counted(budgets: Iterable[Budget]) -> set[tuple[object, ...]]:
    return {(each.name, *each.counts) for each in budgets}


def _is_on_disk(change: sqlite3.Connection, cut: Cut, before: Mapping[str, int]) -> bool:
    """Whether the journal has every line after the cut, and keeps it once this is stored.

    A compactor unlinks what lies before the watermarks that it read; from the moment that a cut
    is stored, before the cut (`ledger.watermarks`).
    """
    for name, seq in change.execute("SELECT journal_set, seq FROM watermarks"):
        if name in cut:
            if seq > cut[name][0]:
                return False
        elif name not in before and seq > 1:
            return False
    return True
