"""A small ledger in memory: the two views of a workspace, filled with given rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import md5
from itertools import count
from typing import Any

import duckdb

from farthing.domain.call import Call
from farthing.domain.charge import Charge
from farthing.domain.money import Money
from farthing.ledger.schema import TABLES, Table

NOON = datetime(2026, 10, 3, 12, tzinfo=UTC)
_ids = count()


def call(usd: str | None = "1", **fields: Any) -> Call:
    """A call that cost this much, at noon of 3 October unless said otherwise."""
    given = {
        "id": new_id(),
        "time": NOON,
        "source": "test",
        "provider": "openai",
        "model": "gpt-4o",
        "effective_usd": None if usd is None else Money.of(usd),
    }
    return Call(**(given | fields))


def charge(usd: str | None = "1", **fields: Any) -> Charge:
    """An invoice line of one day that describes no calls, unless said otherwise."""
    cost = None if usd is None else Money.of(usd)
    time = fields.get("time", NOON.replace(hour=0))
    given = {
        "id": new_id(),
        "time": time,
        "until": time + timedelta(days=1),
        "source": "test",
        "grain": "invoice",
        "provider": "openai",
        "effective_usd": cost,
        "billed_usd": cost,
    }
    return Charge(**(given | fields))


def new_id() -> str:
    return md5(str(next(_ids)).encode(), usedforsecurity=False).hexdigest()


def ledger(*rows: Call | Charge) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for table, kind in zip(TABLES, (Call, Charge), strict=True):
        connection.execute(f"CREATE TEMP TABLE {table.name} AS {table.empty()}")
        _fill(connection, table, [row for row in rows if isinstance(row, kind)])
    return connection


def _fill(connection: duckdb.DuckDBPyConnection, table: Table, rows: list[Any]) -> None:
    if rows:
        values = ", ".join(f"CAST(? AS {column.sql})" for column in table.columns)
        connection.executemany(
            f"INSERT INTO {table.name} SELECT *, time::DATE FROM "
            f"(SELECT {values}) AS row({', '.join(table.names)})",
            [[_stored(getattr(row, name)) for name in table.names] for row in rows],
        )


def _stored(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Money) else value
