"""Book recovered calls anew so that their day agrees with the bill.

A call whose answer was lost is booked at what was held for it. The bill knows what such calls
really cost: `reconcile --book` spreads its difference over them, by corrections.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from farthing.domain.money import Money
from farthing.domain.period import Period
from farthing.ledger import correction, queries, sql, table
from farthing.ledger.queries import Selection
from farthing.ledger.reconcile import Place, Reconciliation
from farthing.ledger.schema import CALLS
from farthing.ledger.workspace import Workspace

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

REASON = "recovered"
FLAG = "reconciled"

Key = tuple[str, int, int]  # id, attempt, revision


@dataclass(frozen=True, slots=True)
class Booked:
    """What a run wrote: rows corrected, and by how much in all."""

    rows: int
    difference: Money


@dataclass(frozen=True, slots=True)
class _Held:
    key: Key
    place: Place
    cost: Money


def book(
    workspace: Workspace,
    connection: DuckDBPyConnection,
    found: Reconciliation,
    period: Period,
    zone: ZoneInfo,
    now: datetime,
) -> Booked:
    """Write the corrections. Hold the workspace's lock from before `found` was read."""
    by_place: dict[Place, list[_Held]] = defaultdict(list)
    for each in _held(connection, found, period, zone):
        by_place[each.place].append(each)
    anew: dict[Key, Money] = {}
    difference = Money.ZERO
    for row in found.rows:
        held = by_place.get(Place(row.day, row.model or "", row.project or ""), [])
        if row.reason == REASON and row.difference is not None and held:
            before = Money.sum(each.cost for each in held)
            after = settled([each.cost for each in held], row.difference)
            anew |= {each.key: cost for each, cost in zip(held, after, strict=True)}
            difference += Money.sum(after) - before
    if anew:
        _write(workspace, connection, anew, now)
    return Booked(len(anew), difference)


def settled(held: list[Money], difference: Money) -> list[Money]:
    """What each call costs once the bill's difference is spread by what was held; never below 0."""
    total = max(Money.sum(held) + difference, Money.ZERO)
    return total.split([max(cost.pico, 0) for cost in held])


def _held(
    connection: DuckDBPyConnection, found: Reconciliation, period: Period, zone: ZoneInfo
) -> Iterable[_Held]:
    """The recovered calls in force, each at the place where it was compared."""
    selection = Selection(period)
    expression = queries.recovered(
        queries.calls(selection), found.provider, queries.clock(connection, zone, period)
    )
    revisions = [(tuple(row[:3]), row[3:]) for row in queries.fetch(connection, expression)]
    gone: set[Any] = {
        (call, attempt, revision - 1) for (call, attempt, revision), _ in revisions if revision % 2
    }
    for key, (day, model, project, cost) in revisions:
        if key[2] % 2 == 0 and key not in gone:
            place = found.rename(Place(day, model or "", project or ""))
            yield _Held(key, place, Money.ZERO if cost is None else Money.of(cost))


def _write(
    workspace: Workspace,
    connection: DuckDBPyConnection,
    anew: dict[Key, Money],
    now: datetime,
) -> None:
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE settled "
        "(id VARCHAR, attempt BIGINT, revision BIGINT, new_effective_usd DECIMAL(18,12))"
    )
    rows = [[*key, str(cost)] for key, cost in anew.items()]
    connection.executemany("INSERT INTO settled VALUES (?, ?, ?, ?)", rows)
    flags = (
        "array_to_string(list_sort(list_distinct(list_append("
        f"string_split(coalesce(nullif(flags, ''), {sql.text(FLAG)}), ','), {sql.text(FLAG)}"
        "))), ',')"
    )
    changed = (
        f"SELECT *, {flags} AS new_flags FROM {CALLS.name} "
        "JOIN settled USING (id, attempt, revision)"
    )
    pairs = correction.pairs(CALLS, changed, {"effective_usd", "flags"}, now)
    table.append(workspace, CALLS, connection.sql(pairs))
