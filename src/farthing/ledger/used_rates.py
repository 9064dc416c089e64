"""The rates of live calls: noted in state.db at first use, moved to the price table later.

A gateway cannot write the table, which takes DuckDB. `keep` is for it and light; `move` is the
compactor's.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from farthing.ledger.state import FILE, State
from farthing.ledger.workspace import Workspace
from farthing.prices.rate import Rate


def keep(state: State, rates: Iterable[Rate]) -> None:
    """Durable when this returns; a rate that is there already is no change.

    Call it before the first row that refers to the rate is written.
    """
    rows = [(rate.price_id, msgspec.json.encode(rate).decode()) for rate in rates]
    if rows:
        with state.changing() as connection:
            connection.executemany("INSERT OR IGNORE INTO rates VALUES (?, ?)", rows)


def move(workspace: Workspace, now: datetime) -> int:
    """Put what was kept into the price table, then drop it; how many rates that were.

    One that dies in between leaves them in both, and the next run finds them in the table.
    """
    if not (workspace.root / FILE).exists():
        return 0
    state = State.open(workspace.root)
    try:
        kept = {
            row: rate
            for row in state.rows("SELECT price_id, value FROM rates ORDER BY price_id")
            if (rate := _read(row[1]))
        }
        if kept:
            _remember(workspace, kept.values(), now)
            with state.changing() as connection:
                connection.executemany("DELETE FROM rates WHERE price_id = ? AND value = ?", kept)
    finally:
        state.close()
    return len(kept)


def _read(value: str) -> Rate | None:
    """A rate; None where it is damaged: that one stays where it is, and the others go on."""
    try:
        return msgspec.json.decode(value, type=Rate)
    except msgspec.DecodeError:
        return None


def _remember(workspace: Workspace, rates: Iterable[Rate], now: datetime) -> None:
    from farthing.ledger import price_table, scan

    with workspace.lock():
        connection = scan.bare()
        try:
            price_table.remember(workspace, connection, rates, now)
        finally:
            connection.close()
