"""Which answers to forget when memory is full: those that save the fewest dollars a byte.

Greedy-Dual-Size-Frequency: an entry's worth is L + hits * cost / size, where L is the worth of
what was last evicted, so that what was valuable once ages. Cherkasova, “Improving WWW Proxies
Performance with Greedy-Dual-Size-Frequency Caching Policy”, HP Laboratories HPL-98-69R1, 1998.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

OVERHEAD = 200  # bytes that an entry takes beside its body, so that tiny ones are not free


_MOST = 2**62  # so that a worth fits into every store's integer


def worth(age: int, hits: int, pico: int, size: int) -> int:
    """What an answer is worth keeping: picodollars saved a byte, beyond what was last evicted."""
    return min(age + hits * pico // size, _MOST)


class _Entry:
    __slots__ = ("hits", "pico", "size", "stamp", "worth")

    def __init__(self, size: int, pico: int) -> None:
        self.size, self.pico = size, pico
        self.hits, self.worth, self.stamp = 1, 0, 0


class Shelf:
    """Decides what stays within `max_bytes`; holds no bodies itself. All integers, so exact."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.used_bytes = 0
        self._entries: dict[bytes, _Entry] = {}
        # Entries as they were worth once; the one whose stamp is still the entry's counts.
        self._heap: list[tuple[int, int, bytes]] = []
        self._age = 0
        self._stamp = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: bytes) -> bool:
        return key in self._entries

    def put(self, key: bytes, size: int, pico: int) -> list[bytes]:
        """Take in an answer of `size` bytes that cost `pico` picodollars; who must go for it.

        It may be itself: too large, or worth less than all that would have to go.
        """
        self.drop(key)
        entry = _Entry(size + OVERHEAD, max(0, pico))
        if entry.size > self.max_bytes:
            return [key]
        self._entries[key] = entry
        self.used_bytes += entry.size
        self._value(key, entry)
        return self._fit()

    def resize(self, max_bytes: int) -> list[bytes]:
        """Change the bound; who must go for it."""
        self.max_bytes = max_bytes
        return self._fit()

    def hit(self, key: bytes) -> None:
        """It was served once more."""
        entry = self._entries.get(key)
        if entry is not None:
            entry.hits += 1
            self._value(key, entry)

    def drop(self, key: bytes) -> None:
        """It expired, or was purged."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.used_bytes -= entry.size

    def worth(self, key: bytes) -> int:
        return self._entries[key].worth

    def _fit(self) -> list[bytes]:
        gone: list[bytes] = []
        while self.used_bytes > self.max_bytes:
            gone.append(self._evict())
        return gone

    def _value(self, key: bytes, entry: _Entry) -> None:
        entry.worth = worth(self._age, entry.hits, entry.pico, entry.size)
        self._stamp += 1
        entry.stamp = self._stamp
        heappush(self._heap, (entry.worth, entry.stamp, key))
        if len(self._heap) > 2 * len(self._entries) + 64:
            self._heap = [(e.worth, e.stamp, k) for k, e in self._entries.items()]
            heapify(self._heap)

    def _evict(self) -> bytes:
        while True:
            worth, stamp, key = heappop(self._heap)
            entry = self._entries.get(key)
            if entry is not None and entry.stamp == stamp:
                self._age = worth
                self.drop(key)
                return key
