"""Answers in memory, bounded in bytes: what saves most dollars a byte stays longest."""

from __future__ import annotations

import msgspec

from farthing.domain.money import Money
from farthing.gateway.purges import Purge, Whose
from farthing.gateway.recording import Recording
from farthing.policy.rules.eviction import Shelf
from farthing.policy.rules.recent import Recent
from farthing.providers.transport.wire import Headers

SEEN = 20_000  # calls that are remembered without their answers, for the count in shadow
COUNTED = 2_000  # of whom hits are remembered who have no answers now

# What Python takes beside the text itself; a test weighs it.
ENTRY_BYTES, HEADER_BYTES, CHUNK_BYTES = 900, 160, 56


class Kept(msgspec.Struct, frozen=True, gc=False):
    """One answer. `cost` is what it cost when it was made; chunks replay a stream as a stream."""

    status: int
    headers: Headers
    chunks: tuple[bytes, ...]
    cost: Money | None
    until: float  # epoch seconds
    whose: Whose

    @property
    def size(self) -> int:
        """The memory that it takes, bookkeeping included."""
        headers = sum([len(name) + len(value) for name, value in self.headers])
        beside = ENTRY_BYTES + HEADER_BYTES * len(self.headers) + CHUNK_BYTES * len(self.chunks)
        return beside + headers + sum(map(len, self.chunks))

    @property
    def pico(self) -> int:
        return self.cost.pico if self.cost is not None else 0


class Tally:
    """What memory has for one `Whose` now, and what that saved since the workspace began."""

    __slots__ = ("bytes", "entries", "hits", "saved_pico")

    def __init__(self, hits: int = 0, saved_pico: int = 0) -> None:
        self.entries = self.bytes = 0
        self.hits, self.saved_pico = hits, saved_pico


class Memory:
    def __init__(self, max_bytes: int) -> None:
        self._shelf = Shelf(max_bytes)
        self._kept: dict[bytes, tuple[Kept, Tally, int]] = {}  # with the size
        self._seen: Recent[bytes, Money] = Recent(SEEN)
        self.tallies: Recent[Whose, Tally] = Recent(COUNTED, lambda tally: tally.entries > 0)
        self.changes = 0  # grows with everything that the tallies count

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def used_bytes(self) -> int:
        return self._shelf.used_bytes

    def get(self, key: bytes, now: float) -> Kept | None:
        found = self._kept.get(key)
        if found is None:
            return None
        kept, tally, _ = found
        if kept.until <= now:
            self._forget(key)
            return None
        self._shelf.hit(key)
        self._count(kept, tally)
        return kept

    def put(self, key: bytes, kept: Kept) -> None:
        if key in self._kept:
            self._forget(key)
        tally, size = self._tally(kept.whose), kept.size
        gone = self._shelf.put(key, size, kept.pico)
        self._kept[key] = kept, tally, size
        tally.entries += 1
        tally.bytes += size
        self.changes += 1
        for each in gone:
            self._forget(each)

    def served(self, kept: Kept) -> None:
        """It came from elsewhere, and is counted here all the same."""
        self._count(kept, self._tally(kept.whose))

    def forget(self, purge: Purge) -> None:
        for key in [key for key, (kept, *_) in self._kept.items() if purge.covers(kept.whose)]:
            self._forget(key)

    def resize(self, max_bytes: int) -> None:
        for key in self._shelf.resize(max_bytes):
            self._forget(key)

    def would_save(self, key: bytes) -> Money | None:
        """What an equal call cost before, where answers are only counted."""
        return self._seen.get(key)

    def saw(self, key: bytes, cost: Money) -> None:
        self._seen.put(key, cost)

    def _tally(self, whose: Whose) -> Tally:
        return self.tallies.get(whose) or self.tallies.put(whose, Tally())

    def _count(self, kept: Kept, tally: Tally) -> None:
        tally.hits += 1
        tally.saved_pico += kept.pico
        self.changes += 1

    def _forget(self, key: bytes) -> None:
        _, tally, size = self._kept.pop(key)
        self._shelf.drop(key)
        tally.entries -= 1
        tally.bytes -= size
        self.changes += 1


def kept_from(recording: Recording, cost: Money | None, until: float, whose: Whose) -> Kept:
    return Kept(recording.status, recording.headers, tuple(recording.chunks), cost, until, whose)
