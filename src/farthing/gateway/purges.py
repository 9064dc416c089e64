"""Whose an answer is, and which answers somebody wants forgotten: a note in the audit says so.

The audit is the only record of a purge. A gateway that runs follows it, and one that starts makes
up for what it missed, so that no purge is lost between command line, gateway and disk.
"""

from __future__ import annotations

import sqlite3
from fnmatch import fnmatchcase

import msgspec

from farthing.domain.text import from_text
from farthing.ledger import audit
from farthing.ledger.audit import By
from farthing.ledger.state import State

ACTION = "cache.purge"


class Whose(msgspec.Struct, frozen=True, gc=False):
    """For whom an answer was bought, and from which model."""

    tenant: str
    team: str | None
    customer: str | None
    model: str  # as asked
    served: str | None = None


class Purge(msgspec.Struct, frozen=True, omit_defaults=True):
    """What to forget: all that agrees with every field that is given; without one, everything."""

    tenant: str | None = None  # with its customers
    team: str | None = None
    customer: str | None = None
    model: str | None = None  # a glob, of the name as asked or as served

    def __str__(self) -> str:
        said = msgspec.structs.asdict(self).items()
        return ",".join(f"{name}={value}" for name, value in said if value is not None) or "all"

    def covers(self, whose: Whose) -> bool:
        model = self.model
        return (
            (self.tenant is None or f"{whose.tenant}/".startswith(f"{self.tenant}/"))
            and self.team in {None, whose.team}
            and self.customer in {None, whose.customer}
            and (
                model is None
                or fnmatchcase(whose.model, model)
                or fnmatchcase(whose.served or "", model)
            )
        )


def note(change: sqlite3.Connection, purge: Purge, by: By) -> None:
    """Order a purge."""
    audit.append(change, by, ACTION, str(purge), **msgspec.structs.asdict(purge))


def since(state: State, number: int) -> list[tuple[int, Purge]]:
    """The purges that were ordered after that one, each with its number, which grows."""
    query = "SELECT rowid, detail FROM audit WHERE action = ? AND rowid > ? ORDER BY rowid"
    return [(n, from_text(text, Purge)) for n, text in state.rows(query, ACTION, number)]
