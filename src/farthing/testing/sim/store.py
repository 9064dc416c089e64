"""state.db as a process may lose it: the real one, until it is out of reach."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from farthing.domain.errors import Unavailable
from farthing.ledger.state import State
from farthing.testing.sim.disk import Life


class Store:
    """Every connection of one process."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.lost_since: float | None = None  # virtual seconds
        self.found_at = 0.0
        self._open: list[LosableState] = []

    def open(self, root: Path) -> State:
        self.reach()
        state = LosableState(State.open(root), self)
        self._open.append(state)
        return state

    def lose(self) -> None:
        self.lost_since = asyncio.get_running_loop().time()

    def find(self) -> None:
        self.lost_since, self.found_at = None, asyncio.get_running_loop().time()

    def reach(self) -> None:
        if self.lost_since is not None:
            raise Unavailable("The simulated state store is out of reach.")

    def abandon(self) -> None:
        """What was committed stays; what was not is rolled back."""
        for state in self._open:
            state.close()


class LosableState(State):
    """One connection to the real file."""

    def __init__(self, inner: State, store: Store) -> None:
        self._inner, self._store = inner, store
        self.path = inner.path

    def again(self) -> State:
        return self._store.open(self.path.parent)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        self._store.reach()
        return self._inner.rows(query, *values)

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        self._store.reach()
        life = self._store.life
        life.spend()
        with self._inner.changing() as change:
            yield change
            last = life.spend()
        life.end(last=last)

    def close(self) -> None:
        self._inner.close()
