"""Prompt caches as providers keep them: a long prefix seen lately is read, not computed again."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import msgspec

from farthing.providers.simulator.words import BYTES_PER_TOKEN, tokens

LEAST_TOKENS = 1024
STEP_TOKENS = 128
SHORT, LONG = 300.0, 3600.0  # seconds
_STEP = STEP_TOKENS * BYTES_PER_TOKEN
_MOST_PREFIXES = 50_000
_KEY_BYTES = 12


class Block(msgspec.Struct, frozen=True, gc=False):
    """A part of a prompt. `lifetime` is set where the caller wants all up to here cached."""

    text: bytes
    lifetime: float | None = None


class Cached(msgspec.Struct, frozen=True, gc=False):
    """Tokens of one prompt."""

    read: int = 0
    written_short: int = 0
    written_long: int = 0


NOTHING = Cached()


class PromptCache:
    """Prefixes by account and model, until they expire. A hit makes one live on."""

    def __init__(self) -> None:
        self._until: dict[bytes, float] = {}

    def of_prefix(self, whose: bytes, prompt: bytes, lifetime: float, now: float) -> Cached:
        """As OpenAI and Gemini do it: by themselves, from 1024 tokens, in steps of 128."""
        count = len(prompt) // _STEP
        if count * STEP_TOKENS < LEAST_TOKENS:
            return NOTHING
        hashed = blake2b(whose, digest_size=_KEY_BYTES)
        keys = []
        for at in range(0, count * _STEP, _STEP):
            hashed.update(prompt[at : at + _STEP])
            keys.append(hashed.digest())
        keys = keys[LEAST_TOKENS // STEP_TOKENS - 1 :]
        known = next((n for n in range(len(keys), 0, -1) if self._lives(keys[n - 1], now)), 0)
        for key in keys:
            self._keep(key, now + lifetime)
        read = LEAST_TOKENS + (known - 1) * STEP_TOKENS if known else 0
        written = count * STEP_TOKENS - read
        return Cached(read, 0, written) if lifetime > SHORT else Cached(read, written, 0)

    def of_blocks(self, whose: bytes, blocks: Sequence[Block], now: float) -> Cached:
        """As Anthropic does it: up to where the caller put marks; what is read, what is written."""
        hashed, size, read = blake2b(whose, digest_size=_KEY_BYTES), 0, 0
        marks: list[tuple[int, float, bytes]] = []
        for block in blocks[: _last_mark(blocks) + 1]:
            hashed.update(block.text)
            size += len(block.text)
            if (length := tokens(size)) < LEAST_TOKENS:
                continue
            if self._lives(key := hashed.digest(), now):
                read = length
            if block.lifetime is not None:
                marks.append((length, block.lifetime, key))
        written = {False: 0, True: 0}
        covered = read
        for length, lifetime, key in marks:
            self._keep(key, now + lifetime)
            if length > covered:
                written[lifetime > SHORT] += length - covered
                covered = length
        return Cached(read, written[False], written[True])

    def _lives(self, key: bytes, now: float) -> bool:
        return self._until.get(key, now) > now

    def _keep(self, key: bytes, until: float) -> None:
        before = self._until.pop(key, until)
        self._until[key] = max(before, until)
        if len(self._until) > _MOST_PREFIXES:
            del self._until[next(iter(self._until))]


def _last_mark(blocks: Sequence[Block]) -> int:
    marked = [place for place, block in enumerate(blocks) if block.lifetime is not None]
    return marked[-1] if marked else -1
