"""Ids of calls: UUIDv7, so that they sort by time and nobody has to hand them out."""

from __future__ import annotations

import os
from collections.abc import Callable

_CHUNK = 4096
_RANDOM_BYTES = 10


class Ids:
    """32 hexadecimal digits a call (RFC 9562 §5.7): 48 bits of milliseconds, 74 random ones."""

    def __init__(self, entropy: Callable[[int], bytes] = os.urandom) -> None:
        self._entropy = entropy
        self._pool = b""
        self._at = 0

    def new(self, now: float) -> str:
        """`now` is in epoch seconds."""
        if self._at + _RANDOM_BYTES > len(self._pool):
            self._pool, self._at = self._entropy(_CHUNK), 0
        drawn = int.from_bytes(self._pool[self._at : self._at + _RANDOM_BYTES])
        self._at += _RANDOM_BYTES
        random_a, random_b = drawn >> 68, drawn & (1 << 62) - 1
        millis = int(now * 1000) & (1 << 48) - 1
        return f"{millis << 80 | 7 << 76 | random_a << 64 | 2 << 62 | random_b:032x}"
