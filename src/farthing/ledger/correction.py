"""Correct a row by two more: one takes it back, the next says it anew. Nothing is edited.

Odd revisions reverse the one before them, with tokens, counts and costs negated; even ones book.
So sums over all rows are right, and sums over what was booked by a moment are as they were then.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from farthing.ledger import sql
from farthing.ledger.schema import PARTITION, Column, Table

# What a reversal negates, by the unit in the schema. A latency, say, is not taken back.
_COUNTED = frozenset(
    {"tokens", "calls", "USD", "in billing_currency", "in the unit column beside it"}
)
_NEGATED_DETAILS = """
    CASE WHEN details IS NOT NULL THEN to_json(map_from_entries(list_transform(
        map_entries(from_json(details, '"MAP(VARCHAR, BIGINT)"')),
        lambda entry: {'key': entry.key, 'value': -entry.value}))) END"""


def current(of: Table, rows: str) -> str:
    """SQL: of `rows`, the bookings in force. For a row `rows` has all revisions, or none."""
    key = ", ".join(of.key)
    reversed_key = key.replace("revision", "revision - 1 AS revision")
    return f"""
        SELECT * FROM ({rows})
        ANTI JOIN (SELECT {reversed_key} FROM ({rows}) WHERE revision % 2 = 1) USING ({key})
        WHERE revision % 2 = 0"""


def pairs(of: Table, changed: str, renewed: Collection[str], now: datetime) -> str:
    """SQL: for each row of `changed` its reversal and its new booking.

    `changed` has the rows in force and, for each column that `renewed` names, what it shall be,
    as `new_` and its name.
    """
    columns = ", ".join(
        f"({_value(column, renewed, now)})::{column.sql} AS {column.name}" for column in of.columns
    )
    return f"""
        SELECT {columns}, {PARTITION}
        FROM ({changed}) CROSS JOIN (VALUES (1), (2)) AS steps(step)"""


def _value(column: Column, renewed: Collection[str], now: datetime) -> str:
    name = column.name
    if name == "revision":
        return "revision + step"
    if name == "booked_at":
        return sql.text(now.isoformat())
    new = f"new_{name}" if name in renewed else name
    back = _negated(column)
    return name if new == back else f"CASE step WHEN 1 THEN {back} ELSE {new} END"


def _negated(column: Column) -> str:
    if column.name == "details":
        return _NEGATED_DETAILS
    return f"-{column.name}" if column.unit in _COUNTED else column.name
