"""What memory holds of whom and what that saved, in state.db for those who ask."""

from __future__ import annotations

import msgspec

from farthing.domain.money import Money
from farthing.domain.text import from_text, to_text
from farthing.gateway.memory import Memory, Tally
from farthing.gateway.purges import Whose
from farthing.ledger.state import State

MOST = 1_000  # that are told apart
OTHERS = Whose("(others)", None, None, "(others)")
_NAME = "cache"


class Row(msgspec.Struct):
    """Entries and bytes in memory; hits of memory and disk, since the workspace began."""

    whose: Whose
    entries: int
    bytes: int
    hits: int
    saved: Money


def taken(memory: Memory) -> list[Row]:
    return [
        Row(whose, tally.entries, tally.bytes, tally.hits, Money(tally.saved_pico))
        for whose, tally in memory.tallies.items()
    ]


def write(state: State, rows: list[Row]) -> None:
    """Those that saved most, and all others as one."""
    rows.sort(key=lambda row: (row.saved, row.bytes), reverse=True)
    if rest := rows[MOST:]:
        others = Row(OTHERS, 0, 0, 0, Money.ZERO)
        for row in rest:
            others.entries += row.entries
            others.bytes += row.bytes
            others.hits += row.hits
            others.saved += row.saved
        rows = [*rows[:MOST], others]
    text = to_text(rows)
    with state.changing() as change:
        change.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (_NAME, text))


def read(state: State) -> list[Row]:
    found = state.rows("SELECT value FROM settings WHERE name = ?", _NAME)
    return from_text(found[0][0], list[Row]) if found else []


def restore(state: State, memory: Memory) -> None:
    """Go on counting where the last gateway ended."""
    for row in reversed(read(state)):
        memory.tallies.put(row.whose, Tally(row.hits, row.saved.pico))
