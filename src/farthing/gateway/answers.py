"""Every answer that may be given again: in memory, on disk, and to an idempotency key."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path

from farthing.gateway import purges, tallies
from farthing.gateway.behind import Behind
from farthing.gateway.memory import Kept, Memory
from farthing.gateway.purges import Purge, Whose
from farthing.gateway.replays import Replays
from farthing.ledger.state import State
from farthing.policy.policy import Cache

REMEMBERED = 256  # purges that answers in flight are compared with one by one


class Answers:
    """`generation` is the number of the last purge: who asked before it may keep nothing of it."""

    def __init__(self, knobs: Cache) -> None:
        self.memory = Memory(knobs.max_mb << 20)
        self.replays = Replays()
        self.disk: Behind | None = None
        self.generation = 0
        self._purges: deque[tuple[int, Purge]] = deque()
        self._told = 0
        self._before = 0  # the last purge that is not remembered any more

    def open(self, root: Path, state: State, now: Callable[[], float]) -> None:
        """From now on the disk is used, too, as far as the policy lets it."""
        self.disk = Behind(root, now)
        tallies.restore(state, self.memory)

    def news(self) -> list[tallies.Row] | None:
        """What is to be told to those who ask; None where nothing changed since this was asked."""
        if self._told == self.memory.changes:
            return None
        self._told = self.memory.changes
        return tallies.taken(self.memory)

    def limit(self, knobs: Cache) -> None:
        """Follow the policy."""
        self.memory.resize(knobs.max_mb << 20)
        if self.disk is not None:
            self.disk.limit(knobs.disk_bytes)

    def get(self, key: bytes, now: float) -> Kept | None:
        kept = self.memory.get(key, now)
        if kept is not None and self.disk is not None and self.disk.on:
            self.disk.served(key)
        return kept

    def may_be_on_disk(self, key: bytes) -> bool:
        return self.disk is not None and key in self.disk

    async def fetch(self, key: bytes, secret: bytes, now: float) -> Kept | None:
        """From the disk, and into memory."""
        assert self.disk is not None
        asked = self.generation
        kept = await self.disk.read(key, secret)
        if (newer := self.get(key, now)) is not None:  # somebody else was quicker
            return newer
        if kept is None or kept.until <= now or self.purged_since(asked, kept.whose):
            return None
        self.memory.put(key, kept)
        self.memory.served(kept)
        self.disk.served(key)
        return kept

    def put(self, key: bytes, kept: Kept, secret: bytes) -> None:
        self.memory.put(key, kept)
        if self.disk is not None and self.disk.on:
            self.disk.offer(key, secret, kept)

    def follow(self, state: State) -> None:
        """Carry out the purges that were ordered since this was last called."""
        ordered = purges.since(state, self.generation)
        if not ordered:
            return
        for number, purge in ordered:
            self.memory.forget(purge)
            self.replays.forget(purge)
            self._purges.append((number, purge))
        self.generation = ordered[-1][0]
        while len(self._purges) > REMEMBERED:
            self._before = self._purges.popleft()[0]
        if self.disk is not None:
            self.disk.purge(ordered)

    def purged_since(self, generation: int, whose: Whose) -> bool:
        """Whether an answer that was asked for in that generation has to be forgotten."""
        if generation == self.generation:
            return False
        return generation < self._before or any(
            number > generation and purge.covers(whose) for number, purge in self._purges
        )

    async def ready(self) -> None:
        if self.disk is not None:
            await self.disk.ready()

    async def close(self) -> None:
        if self.disk is not None:
            await self.disk.close()
