"""Invented embeddings: texts that share words lie near each other."""

from __future__ import annotations

import struct
from base64 import b64encode
from collections.abc import Sequence
from math import sqrt
from zlib import crc32

LEAST_DIMENSIONS, USUAL_DIMENSIONS, MOST_DIMENSIONS = 1, 256, 3072


def vector(words: Sequence[bytes], dimensions: int, seed: int) -> list[float]:
    """Each word adds to two places that its hash picks; the whole has length one."""
    made = [0.0] * dimensions
    for word in words or (b"",):
        hashed = crc32(word, seed & 0xFFFFFFFF)
        made[hashed % dimensions] += 1.0
        made[(hashed >> 12) % dimensions] += 1.0 if hashed & 1 else 0.5
    length = sqrt(sum(each * each for each in made))
    return [each / length for each in made]


def packed(made: Sequence[float]) -> str:
    """As OpenAI sends it in base64: little-endian float32."""
    return b64encode(struct.pack(f"<{len(made)}f", *made)).decode()
