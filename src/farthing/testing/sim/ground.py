"""What every seed begins with: a workspace with keys and rules, prices, a folder in memory."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from farthing.access import rules
from farthing.access import store as keys
from farthing.access.keys import Key
from farthing.app import spoken
from farthing.config import Rule
from farthing.ledger.audit import By
from farthing.ledger.state import State
from farthing.ledger.workspace import Workspace
from farthing.prices.book import Book
from farthing.prices.shelf import Shelf
from farthing.providers.protocol import Protocol
from farthing.testing.sim.traffic import HOLDERS

_BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
BY = By("simulation", _BEGINNING)
_MEMORY = "/dev/shm"


@dataclass(frozen=True)
class Template:
    """A workspace to copy. `tokens` are the secrets of its keys, by id."""

    root: Path
    tokens: dict[str, str]


@cache
def template() -> Template:
    """Made once a process: a file copied is quicker than a database set up."""
    folder = tempfile.mkdtemp(prefix="farthing-sim-ground-", dir=memory())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    root = Path(folder, "workspace")
    Workspace.open(root)
    state = State.open(root)
    with state.changing() as change:
        rules.put(change, (Rule(match="feature=talk", project="talks"),), BY)
        tokens = {
            each.id: keys.add(
                change,
                Key(
                    id=each.id,
                    tenant=each.tenant,
                    scope={"team": each.team},
                    created_at=_BEGINNING,
                ),
                "cli",
                BY,
            )
            for each in HOLDERS
        }
    state.close()
    return Template(root, tokens)


@cache
def book() -> Book:
    """The simulator's own prices, which are the only ones that anybody asks for."""
    return Book.load(template().root, shipped=Shelf())


@cache
def protocols() -> dict[str, Protocol]:
    """Found once: they are the same in every story."""
    return spoken()


def memory() -> str | None:
    """A folder that is no disk, where there is one: thousands of small files are made."""
    return _MEMORY if os.access(_MEMORY, os.W_OK) else None
