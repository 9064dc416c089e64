"""Calls to write, and what readers then see."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from farthing.domain.call import Call
from farthing.domain.money import Money
from farthing.ledger import engine
from farthing.ledger.workspace import Workspace

NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)
CENT = Money.of("0.01")


def name(number: int) -> str:
    return f"{number:032x}"


def call(number: int, **fields: Any) -> Call:
    return Call(**{"id": name(number), "time": NOON, "source": "test", **fields})


def seen(workspace: Workspace) -> list[tuple[str, str, Decimal]]:
    """Id, status and cost of every row, by a reader that starts now."""
    con = engine.connect(workspace, threads=1)
    return con.sql("SELECT id, status, effective_usd FROM calls ORDER BY ALL").fetchall()
