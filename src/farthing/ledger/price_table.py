"""Remember every rate that was ever used, once: the workspace's append-only price table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import duckdb
import msgspec

from farthing.ledger import scan, schema, sql, table
from farthing.ledger.workspace import Workspace
from farthing.prices.rate import Rate


def remember(
    workspace: Workspace,
    connection: duckdb.DuckDBPyConnection,
    rates: Iterable[Rate],
    now: datetime,
) -> None:
    """Add the rates that the table does not have yet, one row a unit."""
    there = known(workspace, connection)
    rows = [row for rate in rates if rate.price_id not in there for row in _rows(rate, now)]
    if not rows:
        return
    marks = ", ".join("?" for _ in rows[0])
    connection.execute(f"CREATE OR REPLACE TEMP TABLE new_prices AS {schema.PRICES.empty()}")
    connection.executemany(f"INSERT INTO new_prices VALUES ({marks})", rows)
    table.append(workspace, schema.PRICES, connection.sql("SELECT * FROM new_prices"))


def known(workspace: Workspace, connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """The ids of all prices that the workspace remembers."""
    files = table.files(workspace, schema.PRICES)
    if not files:
        return frozenset()
    listed = ", ".join(sql.text(file) for file in files)
    found = connection.execute(f"SELECT DISTINCT price_id FROM read_parquet([{listed}])")
    return frozenset(price_id for (price_id,) in found.fetchall())


def flags(workspace: Workspace, connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """Every flag that some remembered price carries."""
    held = scan.read_files(schema.PRICES, table.files(workspace, schema.PRICES))
    found = connection.execute(f"SELECT DISTINCT flags FROM ({held}) WHERE flags IS NOT NULL")
    return frozenset(flag for (told,) in found.fetchall() for flag in told.split(","))


def _rows(rate: Rate, now: datetime) -> Iterator[tuple[Any, ...]]:
    for unit in {**rate.list, **rate.contracted}:
        yield (
            rate.price_id,
            unit,
            rate.list.get(unit, 0),
            rate.contracted.get(unit, 0),
            rate.provider,
            rate.model,
            msgspec.json.encode(rate.context, order="sorted").decode(),
            rate.since,
            rate.until,
            rate.above,
            rate.upto,
            rate.source,
            ",".join(rate.flags) or None,
            now,
            now.date(),
        )
