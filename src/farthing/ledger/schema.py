"""The ledger's tables, made from the rows of `domain`: columns, types, units, version.

Everything that stores or reads rows asks here: the journal's lines, the Delta tables, the
readers over both, and the additive migration of an older workspace.
"""

from __future__ import annotations

import typing
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

from farthing.domain.call import Call, Unit
from farthing.domain.charge import Charge
from farthing.domain.money import Money

# Raised by one whenever a column is added; see `workspace.migrate`.
VERSION = 1

PARTITION = "day"  # UTC date of `time`; the only column that is not a field of the row


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, its SQL type (DuckDB's spelling) and its unit, if it has one."""

    name: str
    sql: str
    unit: str | None
    required: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the ledger. `key` is unique; `columns` are in stored order, without the day."""

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def json_columns(self) -> str:
        """The `columns` argument of DuckDB's read_json for lines of this table."""
        return "{" + ", ".join(f"{c.name}: '{c.sql}'" for c in self.columns) + "}"

    def empty(self) -> str:
        """A query without rows, in this table's columns and types."""
        typed = ", ".join(f"NULL::{c.sql} AS {c.name}" for c in self.columns)
        return f"SELECT {typed}, NULL::DATE AS {PARTITION} WHERE false"


def _table(name: str, row: type[msgspec.Struct], key: tuple[str, ...], money: str) -> Table:
    hints = typing.get_type_hints(row, include_extras=True)
    required = {field.name for field in msgspec.structs.fields(row) if field.required}
    columns = tuple(
        Column(field, *_storage(hints[field], money), field in required)
        for field in row.__struct_fields__
    )
    return Table(name, key, columns)


def _storage(hint: Any, money: str) -> tuple[str, str | None]:
    unit = None
    while get_origin(hint) is not None and get_origin(hint) is not Literal:
        if get_origin(hint) is Annotated:
            unit = next((str(note) for note in hint.__metadata__ if isinstance(note, Unit)), unit)
            hint = hint.__origin__
        else:  # X | None
            hint = next(part for part in get_args(hint) if part is not NoneType)
    if get_origin(hint) is Literal:
        return "VARCHAR", unit
    sql, default_unit = {
        str: ("VARCHAR", None),
        int: ("BIGINT", None),
        bool: ("BOOLEAN", None),
        datetime: ("TIMESTAMPTZ", "UTC"),
        Decimal: ("DECIMAL(38,12)", None),
        Money: (money, "USD"),
    }[hint]
    return sql, unit or default_unit


# A call's cost fits 64 bits (just under a million dollars); a bill's line may not.
CALLS = _table("calls", Call, ("id", "attempt", "revision"), "DECIMAL(18,12)")
CHARGES = _table("charges", Charge, ("id", "revision"), "DECIMAL(38,12)")
TABLES = (CALLS, CHARGES)

# Every rate that was ever used, one row a unit, added once and never changed.
PRICES = Table(
    "prices",
    ("price_id", "unit"),
    (
        Column("price_id", "VARCHAR", None, required=True),
        Column("unit", "VARCHAR", None, required=True),
        Column("list_atto", "DECIMAL(38,0)", "attodollars a unit", required=True),
        Column("contracted_atto", "DECIMAL(38,0)", "attodollars a unit", required=True),
        Column("provider", "VARCHAR", None, required=True),
        Column("model", "VARCHAR", None, required=True),
        Column("context", "VARCHAR", "JSON object, keys sorted", required=True),
        Column("since", "TIMESTAMPTZ", "UTC", required=False),
        Column("until", "TIMESTAMPTZ", "UTC", required=False),
        Column("above", "BIGINT", "input tokens, exclusive", required=False),
        Column("upto", "BIGINT", "input tokens, inclusive", required=False),
        Column("source", "VARCHAR", None, required=True),
        Column("flags", "VARCHAR", "codes, comma-separated, sorted", required=False),
        Column("added_at", "TIMESTAMPTZ", "UTC", required=True),
    ),
)
