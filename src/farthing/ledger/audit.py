"""Who changed what is in force, when. Appended in the transaction of the change itself."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from farthing.domain.text import from_text, to_text
from farthing.ledger.state import State


@dataclass(frozen=True, slots=True)
class By:
    """Who acts, and when. `who` says the way, too: `cli:ada`, `api`, `config:ada`."""

    who: str
    at: datetime


class Note(msgspec.Struct, frozen=True):
    """One line of the audit. `action` is a verb of a thing: key.create, budget.raise …"""

    at: str
    who: str
    action: str
    target: str
    detail: dict[str, Any]


def append(change: sqlite3.Connection, by: By, action: str, target: str, **detail: Any) -> None:
    """Note a change. Nothing secret may be in `detail`: what is written here is never erased."""
    row = (moment(by.at), by.who, action, target, to_text(detail))
    change.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?)", row)


def newest(state: State, count: int) -> list[Note]:
    """The last notes, newest first."""
    found = state.rows("SELECT * FROM audit ORDER BY rowid DESC LIMIT ?", count)
    return [
        Note(at, who, action, target, from_text(detail, dict[str, Any]))
        for at, who, action, target, detail in found
    ]


def moment(when: datetime) -> str:
    """A time as state.db has it: UTC to the second, so that text sorts as time does."""
    return f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
