"""Single rows of the ledger, as facts: every attempt, charge and correction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from farthing.domain.scope import SCOPE
from farthing.domain.usage import BUCKETS
from farthing.ledger import queries
from farthing.ledger.queries import LISTED, Selection

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BATCH = 2_000

_BEFORE_USAGE = LISTED[: LISTED.index(BUCKETS[0])]
_AFTER_USAGE = LISTED[LISTED.index(BUCKETS[-1]) + 1 : LISTED.index(SCOPE[0])]
_MONEY = frozenset(name for name in LISTED if name.endswith("_usd"))


def facts(
    connection: DuckDBPyConnection, selection: Selection, limit: int | None = None
) -> Iterator[dict[str, Any]]:
    """Every row of both tables that is selected, calls first, in stored order.

    Nothing is left out for the sake of grain: these are the rows that grain chooses from.
    Memory does not grow with their number.
    """
    tables = (queries.calls(selection), queries.charges(selection, shadowed=False))
    rows = (row for entries in tables for row in _stream(connection, queries.listed(entries)))
    return islice(map(fact, rows), limit)


def latest(
    connection: DuckDBPyConnection, selection: Selection, limit: int
) -> list[dict[str, Any]]:
    """The most recent rows of both tables, the newest first."""
    tables = (queries.calls(selection), queries.charges(selection, shadowed=False))
    found = [
        fact(row)
        for entries in tables
        for row in queries.fetch(connection, queries.listed(queries.latest(entries, limit)))
    ]
    return sorted(found, key=lambda row: str(row["time"]), reverse=True)[:limit]


def fact(row: Sequence[Any]) -> dict[str, Any]:
    """One row in the form that others rely on; money as decimal strings."""
    named = dict(zip(LISTED, row, strict=True))
    named["time"] = named["time"].replace(".000000Z", "Z")
    named["price_ids"] = _codes(named["price_ids"])
    for name in _MONEY:
        named[name] = _text(named[name])
    return {
        **{name: named[name] for name in _BEFORE_USAGE},
        "usage": {bucket: named[bucket] for bucket in BUCKETS},
        **{name: named[name] for name in _AFTER_USAGE},
        "scope": {name: named[name] for name in SCOPE},
        "tags": {} if named["tags"] is None else msgspec.json.decode(named["tags"]),
        "status": named["status"],
        "flags": _codes(named["flags"]),
    }


def line(fact: dict[str, Any]) -> bytes:
    """The fact as one line of JSON."""
    return msgspec.json.encode(fact) + b"\n"


def _stream(connection: DuckDBPyConnection, expression: Any) -> Iterator[tuple[Any, ...]]:
    result = connection.execute(queries.sql(expression))
    while batch := result.fetchmany(BATCH):
        yield from batch


def _text(amount: Any) -> str | None:
    """Plain decimal dollars without trailing zeros, as `str(Money)` writes them."""
    if amount is None:
        return None
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _codes(text: str | None) -> list[str]:
    return text.split(",") if text else []
