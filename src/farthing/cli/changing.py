"""What the commands share that change what is in force: state.db opened, and who is at work."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from farthing.cli import reading

if TYPE_CHECKING:
    from farthing.ledger.audit import By
    from farthing.ledger.state import State


@contextmanager
def state_of(ctx: typer.Context, *, create: bool = True) -> Iterator[State]:
    """The workspace's state, while a gateway runs as well as when none does.

    Who only looks makes no workspace: where there is none, nothing is in force.
    """
    from farthing.ledger.state import State
    from farthing.ledger.workspace import Workspace

    folder = reading.folder_of(ctx)
    if create or (folder / "workspace.json").exists():
        state = State.open(Workspace.open(folder).root)
    else:
        state = State.of_nothing()
    try:
        yield state
    finally:
        state.close()


def me(way: str = "cli") -> By:
    """The user of this process, now."""
    from farthing.ledger.audit import By

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number that has no name
        user = "unknown"
    return By(f"{way}:{user}", reading.now())
