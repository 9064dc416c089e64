"""Budgets and what is spent of them, as state.db has it.

The sums are the live gateway's, written at its checkpoints: they lag by up to a second.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime

import msgspec

from farthing.budgets.budget import Budget
from farthing.budgets.periods import label_of, period_of
from farthing.domain.errors import Refused
from farthing.domain.money import Money
from farthing.domain.text import from_text, to_text
from farthing.ledger import audit
from farthing.ledger.audit import By
from farthing.ledger.state import State


class Stored(msgspec.Struct, frozen=True):
    """A budget in force, and who set it: cli, config, key, demo.

    `lifts` counts how often its blocks were lifted. Whoever holds a block in memory forgets it
    when the count has grown, and does not write it back.
    """

    budget: Budget
    origin: str
    lifts: int = 0


class Sum(msgspec.Struct, frozen=True):
    """What is settled in one period, of one session or `per` value where those are told apart."""

    budget: str
    instance: str
    period: str
    settled: Money
    blocked: str | None = None


def all_budgets(state: State) -> dict[str, Stored]:
    """By name, in the order of names."""
    found = state.rows("SELECT name, value, origin, lifts FROM budgets ORDER BY name")
    return {name: Stored(from_text(value, Budget), *rest) for name, value, *rest in found}


def one_budget(state: State, name: str) -> Stored:
    found = all_budgets(state)
    if name not in found:
        raise Refused(
            f"No budget is called {name!r}. `farthing budget list` shows those there are."
        )
    return found[name]


def put(change: sqlite3.Connection, budget: Budget, origin: str, by: By) -> None:
    """Set a budget, in place of the one of that name. What is spent of it stays spent."""
    budget.checked()
    change.execute(
        """INSERT INTO budgets (name, value, origin) VALUES (?, ?, ?)
           ON CONFLICT DO UPDATE SET value = excluded.value, origin = excluded.origin""",
        (budget.name, to_text(budget), origin),
    )
    audit.append(change, by, "budget.set", budget.name, **msgspec.structs.asdict(budget))


def lift(change: sqlite3.Connection, name: str, by: By) -> None:
    """Let a budget grant again what it can cover, in every period and for everybody."""
    change.execute("UPDATE sums SET blocked = NULL WHERE budget = ?", (name,))
    change.execute("UPDATE budgets SET lifts = lifts + 1 WHERE name = ?", (name,))
    audit.append(change, by, "budget.lift", name)


def remove(change: sqlite3.Connection, name: str, by: By) -> None:
    change.execute("DELETE FROM sums WHERE budget = ?", (name,))
    change.execute("DELETE FROM budgets WHERE name = ?", (name,))
    audit.append(change, by, "budget.remove", name)


def current_sums(state: State, budget: Budget, now: datetime) -> list[Sum]:
    """What is settled in the period that `now` lies in, the largest first."""
    start, _ = period_of(budget.span, budget.timezone, now)
    found = state.rows(
        "SELECT * FROM sums WHERE budget = ? AND period = ?", budget.name, label_of(start)
    )
    sums = [Sum(name, who, when, Money.of(usd), why) for name, who, when, usd, why in found]
    return sorted(sums, key=lambda each: each.settled, reverse=True)
