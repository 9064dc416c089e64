"""Cohere's chat and embed APIs, which say what they bill."""

from __future__ import annotations

from farthing.domain.usage import Usage
from farthing.providers.reading import Block, Body, Reading, block, named, suspicions


def read(body: Body, provider: str | None) -> Reading:
    """The billed units, not the tokens: Cohere adds prompts of its own that it does not bill."""
    held = "usage" if isinstance(body.get("usage"), dict) else "meta"
    return _reading(body, provider, block(body, held, "billed_units"), cached=0)


def read_tokens(body: Body, provider: str | None) -> Reading:
    """The tokens that the model saw, for those who are billed by them."""
    cached = block(body, "usage").count("cached_tokens")
    return _reading(body, provider, block(body, "usage", "tokens"), cached)


def _reading(body: Body, provider: str | None, fields: Block, cached: int) -> Reading:
    usage = Usage.from_totals(
        input_total=fields.count("input_tokens"),
        output_total=fields.count("output_tokens"),
        cache_read=cached,
    )
    return Reading(
        usage=usage,
        provider=provider or "cohere",
        model=named(body, "model"),
        response_id=named(body, "id"),
        flags=suspicions(usage),
    )
