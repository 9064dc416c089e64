"""What other prices make of our own traffic: as booked against as the other book has it.

What each row of model usage in force was booked at (its contracted cost, at the rates of the
price table) is set against what the other prices charge for the very same row: so tiers, hours
and rounding are exact. Other prices are those of

- today's book, each row on its own day: what `prices rerate` would book;
- today's book as of one day, as if all the traffic were of that day;
- today's price lists with the contracts of another file in place of the workspace's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from duckdb import DuckDBPyConnection

from farthing.domain.money import Money
from farthing.ledger import engine, grain, repricing
from farthing.ledger.queries import Selection
from farthing.ledger.schema import TABLES, Table
from farthing.ledger.workspace import Workspace
from farthing.prices.book import Book

Traffic = tuple[str | None, str | None, str | None]


@dataclass(frozen=True, slots=True)
class Drift:
    """One provider, model and context (JSON): what it was booked at, and what it costs there.

    `priced` rows had no price and have one there: theirs is in `now` alone. `unpriced` rows have
    none there: they are in neither sum.
    """

    provider: str | None
    model: str | None
    context: str | None
    rows: int
    priced: int
    unpriced: int
    was: Money
    now: Money

    @property
    def difference(self) -> Money:
        return self.now - self.was


def drift(
    workspace: Workspace, selection: Selection, book: Book, on: date | None = None
) -> list[Drift]:
    """The selection's traffic at the book's prices, the largest difference first.

    What the provider itself said it charged plays no part, nor what a better grain tells of.
    """
    with engine.connect(workspace) as connection:
        grain.settle(connection, selection)
        found = [
            each for of in TABLES for each in _of(workspace, connection, of, selection, book, on)
        ]
    return sorted(_joined(found), key=lambda each: -abs(each.difference.pico))


def _of(
    workspace: Workspace,
    connection: DuckDBPyConnection,
    of: Table,
    selection: Selection,
    book: Book,
    on: date | None,
) -> Iterator[Drift]:
    rows = repricing.counted(of, selection, shadowed=True)
    found = repricing.repriced(workspace, connection, book, of, rows, on)
    has_price = "new_price_ids IS NOT NULL"
    groups = connection.execute(f"""
        SELECT provider, model, context, count(*),
               count(*) FILTER ({has_price} AND contracted_usd IS NULL),
               count(*) FILTER (NOT {has_price}),
               coalesce(sum(contracted_usd) FILTER ({has_price}), 0),
               coalesce(sum(new_contracted_usd) FILTER ({has_price}), 0)
        FROM ({found.rows}) WHERE NOT unbilled GROUP BY ALL""")
    for provider, model, context, count, priced, unpriced, was, now in groups.fetchall():
        costs = Money.of(Decimal(was)), Money.of(Decimal(now))
        yield Drift(provider, model, context, count, priced, unpriced, *costs)


def _joined(found: list[Drift]) -> list[Drift]:
    """Calls and usage pages of the same model, on different days, as one."""
    by_traffic: dict[Traffic, Drift] = {}
    for each in found:
        traffic = (each.provider, each.model, each.context)
        before = by_traffic.get(traffic)
        by_traffic[traffic] = _sum(before, each) if before else each
    return list(by_traffic.values())


def _sum(one: Drift, other: Drift) -> Drift:
    return Drift(
        one.provider,
        one.model,
        one.context,
        one.rows + other.rows,
        one.priced + other.priced,
        one.unpriced + other.unpriced,
        one.was + other.was,
        one.now + other.now,
    )
