"""What is kept of earlier answers, of memory and disk together."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from farthing.domain.money import Money
from farthing.gateway import cachefile, tallies
from farthing.gateway.purges import Whose
from farthing.ledger.state import State
from farthing.views import figures


class Answers(msgspec.Struct):
    """Those of one `Whose`. Hits and dollars are of all time, the rest is of now."""

    whose: Whose
    memory_entries: int = 0
    memory_bytes: int = 0
    disk_entries: int = 0
    disk_bytes: int = 0
    hits: int = 0
    saved: Money = Money.ZERO

    @property
    def tenant(self) -> str:
        return self.whose.tenant

    @property
    def dollars(self) -> str:
        return figures.dollars(self.saved)

    def add(self, other: Answers) -> None:
        for name in _COUNTED:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def shown(self) -> dict[str, Any]:
        """As `--json` prints it."""
        counts = {name: getattr(self, name) for name in _COUNTED[:-1]}
        return {"tenant": self.tenant, **counts, "saved_usd": str(self.saved)}


_COUNTED = Answers.__struct_fields__[1:]


def kept(root: Path, state: State, *, running: bool) -> list[Answers]:
    """Memory as a running gateway last told it, and the disk as it is."""
    found: dict[Whose, Answers] = {}
    for row in tallies.read(state):
        one = found[row.whose] = Answers(row.whose, hits=row.hits, saved=row.saved)
        if running:
            one.memory_entries, one.memory_bytes = row.entries, row.bytes
    try:
        groups = cachefile.groups(root)
    except sqlite3.Error:
        groups = []  # nobody can be answered from it either
    for group in groups:
        one = found.setdefault(group.whose, Answers(group.whose))
        one.disk_entries, one.disk_bytes = group.entries, group.bytes
    return list(found.values())


def by_tenant(rows: Iterable[Answers]) -> list[Answers]:
    """One for each tenant, what saved most first."""
    found: dict[str, Answers] = {}
    for row in rows:
        whole = found.setdefault(row.tenant, Answers(Whose(row.tenant, None, None, "")))
        whole.add(row)
    return sorted(found.values(), key=lambda row: (-row.saved.pico, row.tenant))
