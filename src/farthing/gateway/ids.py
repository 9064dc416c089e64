"""Ids of calls: UUIDv7, so that they sort by time and nobody has to hand them out."""

from __future__ import annotations

import os
from collections.abc import Callable

_CHUNK = 4096  # random bytes that are drawn at once
_DIGITS = 19  # hexadecimal, for an id: 3, 1 of which two bits are the variant, 15
_VARIANTS = {f"{digit:x}": "89ab"[digit & 3] for digit in range(16)}


class Ids:
    """32 hexadecimal digits a call (RFC 9562 §5.7): 48 bits of milliseconds, 74 random ones."""

    def __init__(self, entropy: Callable[[int], bytes] = os.urandom) -> None:
        self._entropy = entropy
        self._pool = ""
        self._at = 0

    def new(self, now: float) -> str:
        """`now` is in epoch seconds."""
        at, end = self._at, self._at + _DIGITS
        if end > len(self._pool):
            self._pool, at, end = self._entropy(_CHUNK).hex(), 0, _DIGITS
        self._at = end
        pool, variant = self._pool, at + 3
        millis = int(now * 1000) & (1 << 48) - 1
        return (
            f"{millis:012x}7{pool[at:variant]}{_VARIANTS[pool[variant]]}{pool[variant + 1 : end]}"
        )
