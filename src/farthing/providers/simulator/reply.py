"""The invented answer itself, before a protocol gives it its form."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import msgspec

from farthing.domain.usage import Usage
from farthing.providers.simulator.asked import Asked, Tool
from farthing.providers.simulator.caching import Cached
from farthing.providers.simulator.invented import value_of
from farthing.providers.simulator.words import BYTES_PER_TOKEN, prose, tokens

_SHORTEST, _SPREAD = 16, 240  # tokens of text, where nobody says how many
_NEXT_CHOICE = 7919
_THOUGHT = "Simulated reasoning: "


class Reply(msgspec.Struct, kw_only=True):
    """`texts` has one for each choice; where a tool is called they are its arguments."""

    name: str  # what makes this answer's id its own
    created: int
    asked: Asked
    texts: tuple[str, ...]
    thoughts: str
    cut: bool  # the output limit was reached
    usage: Usage

    @property
    def model(self) -> str:
        return self.asked.model.name

    @property
    def tool(self) -> Tool | None:
        return self.asked.tool

    @property
    def arguments(self) -> Any:
        """Those of the tool call as a value; what a limit cut off is no JSON and counts as none."""
        try:
            return msgspec.json.decode(self.texts[0])
        except msgspec.DecodeError:
            return {}


def invent(
    asked: Asked, *, seed: int, wanted: int | None, cached: Cached, earlier: int
) -> tuple[tuple[str, ...], str, bool, Usage]:
    """Texts, thoughts, whether they were cut, and what all of it counts.

    `wanted` output tokens for each choice, thoughts included. `earlier` tokens of input come from
    a stored response.
    """
    draw = _draw(asked, seed)
    fixed = _fixed(asked)
    thinking, visible = _lengths(asked, draw, wanted, fixed)
    cap = asked.cap or asked.model.max_output
    cut = thinking + visible > cap
    thinking = min(thinking, cap)
    visible = min(visible, cap - thinking)
    texts = tuple(
        _sized(fixed, visible)
        if fixed is not None
        else prose(draw + choice * _NEXT_CHOICE, visible, whole=not cut)
        for choice in range(asked.choices)
    )
    thoughts = prose(draw + 1, thinking, label=_THOUGHT) if asked.thoughts_shown else ""
    return texts, thoughts, cut, _usage(asked, cached, earlier, (thinking, visible))


def _draw(asked: Asked, seed: int) -> int:
    """The same for the same seed, request, model and question."""
    hashed = blake2b(asked.prompt, digest_size=8)
    hashed.update(b"%d %d %b" % (seed, asked.seed or 0, asked.model.name.encode()))
    return int.from_bytes(hashed.digest())


def _fixed(asked: Asked) -> str | None:
    """What a schema prescribes, as JSON."""
    if asked.tool:
        told = asked.tool.schema if isinstance(asked.tool.schema, dict) else {}
        value = value_of({"type": "object", **told})
    elif asked.schema is not None:
        value = value_of(asked.schema)
    else:
        return None
    return msgspec.json.encode(value).decode()


def _lengths(asked: Asked, draw: int, wanted: int | None, fixed: str | None) -> tuple[int, int]:
    """Tokens of thoughts and of text, before any limit on the whole."""
    if wanted is None:
        visible = _SHORTEST + draw // 256 % _SPREAD if fixed is None else tokens(len(fixed))
        thinking = round(visible * asked.effort / (1 - asked.effort))
    else:
        thinking = round(wanted * asked.effort)
        visible = wanted - thinking
    if asked.most_thoughts is not None:
        excess = max(0, thinking - asked.most_thoughts)
        thinking -= excess
        visible += excess if wanted is not None else 0
    if fixed is not None:
        visible = max(visible, tokens(len(fixed)))
    return thinking, max(visible, 1) if wanted is None else visible


def _sized(text: str, count: int) -> str:
    """JSON of exactly so many tokens: blanks after it do no harm, a limit does."""
    return text.ljust(count * BYTES_PER_TOKEN)[: count * BYTES_PER_TOKEN]


def _usage(asked: Asked, cached: Cached, earlier: int, made: tuple[int, int]) -> Usage:
    thinking, visible = made
    return Usage.from_totals(
        input_total=asked.input_tokens + earlier,
        output_total=(thinking + visible) * asked.choices,
        cache_read=cached.read,
        cache_write_short=cached.written_short,
        cache_write_long=cached.written_long,
        reasoning=thinking * asked.choices,
    )
