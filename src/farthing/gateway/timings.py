"""How long things took, counted so cheaply that the hot path can: buckets of powers of two."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

# Whole microseconds below 2^n fall into bucket n. Fewer than 64 µs are nothing, and all that take
# longer than 2^29 µs, nine minutes, are alike.
LEAST: Final = 6
MOST: Final = 29
_BUCKETS: Final = 128


class Timings:
    """Durations by label; the labels have to be few."""

    __slots__ = ("_counts", "_sums")

    def __init__(self) -> None:
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, int] = {}

    def add(self, label: str, seconds: float) -> None:
        micros = int(seconds * 1_000_000) if seconds > 0 else 0
        try:
            self._counts[label][micros.bit_length()] += 1
        except KeyError:
            self._counts[label] = [0] * _BUCKETS
            self._counts[label][micros.bit_length()] += 1
            self._sums[label] = 0
        self._sums[label] += micros

    def read(self) -> Iterator[tuple[str, list[tuple[float, int]], float]]:
        """Label, cumulative counts by upper bound in seconds, and the sum in seconds."""
        for label, counts in list(self._counts.items()):
            bounds = [(2**n / 1e6, sum(counts[: n + 1])) for n in range(LEAST, MOST + 1)]
            yield label, [*bounds, (float("inf"), sum(counts))], self._sums[label] / 1e6
