"""Answers in memory, bounded in bytes: what saves most dollars a byte stays longest."""

from __future__ import annotations

import msgspec

from farthing.domain.money import Money
from farthing.gateway.recording import Recording
from farthing.policy.rules.eviction import Shelf
from farthing.policy.rules.recent import Recent
from farthing.providers.transport.wire import Headers

SEEN = 20_000  # calls that are remembered without their answers, for the count in shadow
OVERHEAD = 4000  # bytes that an entry takes beside its body: headers, keys, bookkeeping


class Kept(msgspec.Struct, frozen=True, gc=False):
    """One answer. `cost` is what it cost when it was made; chunks replay a stream as a stream."""

    status: int
    headers: Headers
    chunks: tuple[bytes, ...]
    cost: Money | None
    until: float  # epoch seconds
    model: str | None

    @property
    def size(self) -> int:
        return OVERHEAD + sum(map(len, self.chunks))


class Memory:
    def __init__(self, max_bytes: int) -> None:
        self._shelf = Shelf(max_bytes)
        self._kept: dict[bytes, Kept] = {}
        self._seen: Recent[bytes, Money] = Recent(SEEN)

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def used_bytes(self) -> int:
        return self._shelf.used_bytes

    def get(self, key: bytes, now: float) -> Kept | None:
        found = self._kept.get(key)
        if found is None:
            return None
        if found.until <= now:
            self._shelf.drop(key)
            del self._kept[key]
            return None
        self._shelf.hit(key)
        return found

    def put(self, key: bytes, kept: Kept) -> None:
        gone = self._shelf.put(key, kept.size, kept.cost.pico if kept.cost else 0)
        self._kept[key] = kept
        for each in gone:
            self._kept.pop(each, None)

    def would_save(self, key: bytes) -> Money | None:
        """What an equal call cost before, where answers are only counted."""
        return self._seen.get(key)

    def saw(self, key: bytes, cost: Money) -> None:
        self._seen.put(key, cost)


def kept_from(recording: Recording, cost: Money | None, until: float, model: str | None) -> Kept:
    return Kept(recording.status, recording.headers, tuple(recording.chunks), cost, until, model)
