"""A table that forgets what was not used for longest, so that memory stays bounded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_LOOKED_AT = 8  # how many of the oldest are asked before the table grows instead


class Recent(Generic[K, V]):
    """At most `most` entries. `busy` ones (a call in flight) are kept even beyond that."""

    def __init__(self, most: int, busy: Callable[[V], bool] | None = None) -> None:
        self._most, self._busy = most, busy
        self._entries: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        found = self._entries.get(key)
        if found is not None:
            self._entries.move_to_end(key)
        return found

    def put(self, key: K, value: V) -> V:
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self._most:
            self._forget_one()
        return value

    def drop(self, key: K) -> None:
        self._entries.pop(key, None)

    def items(self) -> list[tuple[K, V]]:
        return list(self._entries.items())

    def __len__(self) -> int:
        return len(self._entries)

    def _forget_one(self) -> None:
        if self._busy is None:
            self._entries.popitem(last=False)
            return
        for _ in range(_LOOKED_AT):
            key, value = next(iter(self._entries.items()))
            if not self._busy(value):
                del self._entries[key]
                return
            self._entries.move_to_end(key)
