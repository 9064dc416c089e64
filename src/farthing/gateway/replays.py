"""What an idempotency key of a tenant was answered, for the minute in which it may come again."""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from farthing.gateway.memory import Kept
from farthing.gateway.purges import Purge

MOST_BYTES = 16 << 20
LARGEST = 256 << 10  # a longer answer is not replayed

Place = tuple[str, str, str]  # tenant, protocol, key


class Replay(msgspec.Struct, frozen=True):
    """What one idempotency key of one tenant was used for."""

    call: bytes  # the digest of its body
    kept: Kept


class Replays:
    """The latest, within `max_bytes`; all live equally long, so the oldest ends first."""

    def __init__(self, max_bytes: int = MOST_BYTES) -> None:
        self._max_bytes = max_bytes
        self._entries: OrderedDict[Place, Replay] = OrderedDict()
        self.used_bytes = 0

    def get(self, place: Place, now: float) -> Replay | None:
        found = self._entries.get(place)
        return found if found is not None and found.kept.until > now else None

    def put(self, place: Place, replay: Replay, now: float) -> None:
        self._drop(place)
        self._entries[place] = replay
        self.used_bytes += replay.kept.size
        while self._entries:
            oldest, found = next(iter(self._entries.items()))
            if self.used_bytes <= self._max_bytes and found.kept.until > now:
                return
            self._drop(oldest)

    def forget(self, purge: Purge) -> None:
        covered = [place for place, each in self._entries.items() if purge.covers(each.kept.whose)]
        for place in covered:
            self._drop(place)

    def _drop(self, place: Place) -> None:
        found = self._entries.pop(place, None)
        if found is not None:
            self.used_bytes -= found.kept.size
