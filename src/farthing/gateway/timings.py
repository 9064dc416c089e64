"""How long things took, counted so cheaply that the hot path can: buckets of powers of two."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

# Whole microseconds below 2^n fall into bucket n. Told are 64 µs to nine minutes.
LEAST: Final = 6
MOST: Final = 29
_SUM: Final = 64  # the place after the buckets

Bounds = list[tuple[float, int]]  # upper bound in seconds, and how many took no longer


class Timings:
    """Durations by label; the labels have to be few."""

    __slots__ = ("_by",)

    def __init__(self) -> None:
        self._by: dict[str | bytes, list[int]] = {}

    def add(self, label: str | bytes, seconds: float) -> None:
        micros = int(seconds * 1e6) if seconds > 0 else 0
        try:
            counts = self._by[label]
        except KeyError:
            counts = self._by[label] = [0] * (_SUM + 1)
        counts[micros.bit_length()] += 1
        counts[_SUM] += micros

    def read(self) -> Iterator[tuple[str, Bounds, float]]:
        """Each label with its bounds and the sum in seconds."""
        for label, counts in list(self._by.items()):
            bounds = [(2**n / 1e6, sum(counts[: n + 1])) for n in range(LEAST, MOST + 1)]
            shown = label.decode() if isinstance(label, bytes) else label
            yield shown, [*bounds, (float("inf"), sum(counts[:_SUM]))], counts[_SUM] / 1e6
