"""Book again, at today's prices, what they would make cost something else."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from duckdb import DuckDBPyConnection

from farthing.domain.money import Money
from farthing.ledger import correction, engine, price_table, repricing, table
from farthing.ledger.queries import Selection
from farthing.ledger.repricing import RENEWED, Repriced
from farthing.ledger.schema import CALLS, CHARGES, TABLES, Table
from farthing.ledger.workspace import Workspace
from farthing.prices.book import Book


@dataclass(slots=True)
class Rerated:
    """What a run did, or would do. Costs are effective ones; an unpriced row counts nothing.

    `rows` had their usage priced again; `unpriced` of them have no price then or now.
    """

    rows: int = 0
    changed: int = 0
    unpriced: int = 0
    reversed: Money = Money.ZERO
    booked: Money = Money.ZERO
    seconds: float = 0.0

    @property
    def difference(self) -> Money:
        return self.booked - self.reversed


def rerate(
    workspace: Workspace,
    selection: Selection,
    now: Callable[[], datetime],
    *,
    dry_run: bool = False,
) -> Rerated:
    """Price the selection's model usage with today's book; correct where a cost is another one.

    A row for which the book has no price (any more) stays as it is. One commit a table, so each
    is corrected whole or not at all; a second run finds nothing to do.
    """
    done, started = Rerated(), time.monotonic()
    with workspace.lock():
        book = Book.load(workspace.root)
        with engine.connect(workspace) as connection:
            connection.execute("SET preserve_insertion_order = false")
            for of in TABLES:
                rows = repricing.counted(of, selection, shadowed=False)
                found = repricing.repriced(workspace, connection, book, of, rows)
                ids = _measure(connection, of, found.rows, done)
                if ids and not dry_run:
                    _book(workspace, connection, of, found, ids, now())
    done.seconds = round(time.monotonic() - started, 3)
    return done


def _measure(connection: DuckDBPyConnection, of: Table, rows: str, done: Rerated) -> set[str]:
    """Add up what changes; answers the ids of the prices that the changed rows get."""
    changes = _changes(of)
    found = connection.execute(f"""
        SELECT count(*), count(*) FILTER ({changes}),
               count(*) FILTER (effective_usd IS NULL AND new_effective_usd IS NULL),
               coalesce(sum(effective_usd) FILTER ({changes}), 0),
               coalesce(sum(new_effective_usd) FILTER ({changes}), 0),
               list(DISTINCT new_price_ids) FILTER ({changes})
        FROM ({rows})""").fetchone()
    assert found is not None
    count, changed, unpriced, before, after, ids = found
    done.rows += count
    done.changed += changed
    done.unpriced += unpriced
    done.reversed += _usd(before)
    done.booked += _usd(after)
    return set(ids or ())


def _changes(of: Table) -> str:
    """SQL: whether the book has a price, and it makes a cost another one."""
    costs = ["list_usd", "contracted_usd", "effective_usd"]
    costs += ["counterfactual_usd"] if of is CALLS else []
    differs = " OR ".join(f"{cost} IS DISTINCT FROM new_{cost}" for cost in costs)
    return f"(new_price_ids IS NOT NULL AND ({differs}))"


def _book(
    workspace: Workspace,
    connection: DuckDBPyConnection,
    of: Table,
    found: Repriced,
    ids: set[str],
    now: datetime,
) -> None:
    used = (rate for rate in found.rates.distinct if rate.price_id in ids)
    price_table.remember(workspace, connection, used, now)
    changed = f"SELECT * FROM ({found.rows}) WHERE {_changes(of)}"
    renewed = RENEWED if of is CALLS else [n for n in RENEWED if n in CHARGES.names]
    table.append(workspace, of, connection.sql(correction.pairs(of, changed, renewed, now)))


def _usd(amount: Decimal | int) -> Money:
    return Money.of(Decimal(amount))
