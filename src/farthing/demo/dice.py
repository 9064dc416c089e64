"""Seeded draws that come out the same on every machine."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from random import Random
from typing import TypeVar

T = TypeVar("T")

# Sizes in the wild have a long tail: most are below the mean, a few are five times it.
_SPREAD = (38, 52, 61, 68, 74, 80, 86, 92, 99, 107, 118, 134, 160, 215, 480)


class Dice:
    """One stream of draws. Each purpose has its own: one more draw here moves nothing there.

    Only `Random.random` is used: of all its methods, Python promises the sequence of this one.
    """

    def __init__(self, seed: int, purpose: str) -> None:
        self._random = Random(f"{seed}/{purpose}").random

    def below(self, bound: int) -> int:
        return int(self._random() * bound)

    def between(self, low: int, high: int) -> int:
        """Both ends included."""
        return low + self.below(high - low + 1)

    def chance(self, per_mille: int) -> bool:
        return self.below(1000) < per_mille

    def pick(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def weighted(self, cumulative: Sequence[int]) -> int:
        """The index of the weight that was hit; see `ladder`."""
        return bisect_right(cumulative, self.below(cumulative[-1]))

    def near(self, mean: int) -> int:
        """A size around `mean`, at least 1, with a long tail."""
        return max(1, mean * self.pick(_SPREAD) * self.between(90, 110) // 10_000)

    def hex(self, length: int) -> str:
        digits = "".join(f"{self.below(1 << 48):012x}" for _ in range(0, length, 12))
        return digits[:length]

    def text(self, alphabet: str, length: int) -> str:
        return "".join(alphabet[self.below(len(alphabet))] for _ in range(length))


def ladder(weights: Sequence[int]) -> tuple[int, ...]:
    """Running sums of the weights, as `Dice.weighted` wants them."""
    return tuple(accumulate(weights))
