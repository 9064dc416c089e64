"""The [[allocate]] rules in force: which owner a live call gets that names none."""

from __future__ import annotations

import sqlite3

from farthing.config import Rule
from farthing.domain.text import from_text, to_text
from farthing.ledger import audit
from farthing.ledger.audit import By
from farthing.ledger.state import State

_NAME = "allocate"


def current(state: State) -> tuple[Rule, ...]:
    found = state.rows("SELECT value FROM settings WHERE name = ?", _NAME)
    return from_text(found[0][0], tuple[Rule, ...]) if found else ()


def put(change: sqlite3.Connection, rules: tuple[Rule, ...], by: By) -> None:
    """All of them at once: their order is part of what they mean."""
    row = (_NAME, to_text(rules))
    change.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", row)
    audit.append(change, by, "rules.set", _NAME, rules=len(rules))
