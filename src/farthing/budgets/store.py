"""Budgets and what is spent of them, as state.db has it.

The sums are the live gateway's, written at its checkpoints: they lag by up to a second.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from farthing.budgets.budget import Budget
from farthing.budgets.periods import label_of, period_of
from farthing.domain.errors import Refused
from farthing.domain.money import Money
from farthing.domain.text import from_text, to_text
from farthing.ledger import audit
from farthing.ledger.audit import By
from farthing.ledger.state import State
from farthing.ledger.watermarks import Cut

if TYPE_CHECKING:
    from farthing.budgets.opening import Opening


class Stored(msgspec.Struct, frozen=True):
    """A budget in force, and who set it: cli, config, key, demo.

    `lifts` counts how often its blocks were lifted. Whoever holds a block in memory forgets it
    when the count has grown, and does not write it back. `opened` is None where it was set by a
    farthing that did not note it.
    """

    budget: Budget
    origin: str
    lifts: int = 0
    opened: Opened | None = None


class Opened(msgspec.Struct, frozen=True):
    """How its sums began. A budget that counts other calls than before is opened anew."""

    id: int
    at: str  # ISO, UTC
    carried: Money  # what the period had cost by then
    cut: Cut | None  # how far its sums have the journal; None: as far as all the others'


class Sum(msgspec.Struct, frozen=True):
    """What is settled in one period, of one session or `per` value where those are told apart."""

    budget: str
    instance: str
    period: str
    settled: Money
    blocked: str | None = None


def all_budgets(state: State) -> dict[str, Stored]:
    """By name, in the order of names."""
    found = state.rows(
        """SELECT name, value, origin, lifts, openings.id, openings.at, carried_usd, cut
           FROM budgets LEFT JOIN openings ON budget = name ORDER BY name"""
    )
    return {
        name: Stored(from_text(value, Budget), origin, lifts, _opened(*opened))
        for name, value, origin, lifts, *opened in found
    }


def one_budget(state: State, name: str) -> Stored:
    found = all_budgets(state)
    if name not in found:
        raise Refused(
            f"No budget is called {name!r}. `farthing budget list` shows those there are."
        )
    return found[name]


def counts_anew(state: State, budget: Budget) -> bool:
    """Whether setting it needs an `opening`: none of that name counts the same calls already."""
    found = all_budgets(state).get(budget.name)
    return found is None or found.budget.counts != budget.counts


def put(
    change: sqlite3.Connection,
    budget: Budget,
    origin: str,
    by: By,
    opening: Opening | None = None,
) -> None:
    """Set a budget, in place of the one of that name.

    Where that one counts the same calls, what is spent of it stays spent. Else it begins with the
    `opening`, by default with nothing: so for a new key, which nobody has used.
    """
    budget.checked()
    found = change.execute("SELECT value FROM budgets WHERE name = ?", (budget.name,)).fetchone()
    if found is None or from_text(found[0], Budget).counts != budget.counts:
        _open(change, budget.name, by, opening)
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
    change.execute("DELETE FROM openings WHERE budget = ?", (name,))
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


def _open(change: sqlite3.Connection, name: str, by: By, opening: Opening | None) -> None:
    change.execute("DELETE FROM sums WHERE budget = ?", (name,))
    cut = None if opening is None else to_text(opening.cut)
    carried = Money.ZERO if opening is None else opening.carried
    change.execute(  # another id each time: who still counts for the one before writes in vain
        "INSERT OR REPLACE INTO openings (budget, at, carried_usd, cut) VALUES (?, ?, ?, ?)",
        (name, audit.moment(by.at), str(carried), cut),
    )
    if opening is not None:
        change.executemany(
            "INSERT INTO sums (budget, instance, period, settled_usd) VALUES (?, ?, ?, ?)",
            [(*place, str(cost)) for place, cost in opening.sums.items()],
        )


def _opened(id: int | None, at: str, carried: str, cut: str | None) -> Opened | None:
    if id is None:
        return None
    return Opened(id, at, Money.of(carried), from_text(cut, Cut) if cut else None)
