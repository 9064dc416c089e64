"""The usual usage blocks, read at the speed of a live call; the rest is for the full readers."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from farthing.domain.usage import Usage
from farthing.providers.reading import Reading

# As the full readers have it: whole, not negative, not absurd.
Count = Annotated[int, msgspec.Meta(ge=0, le=10**12)]
_APART = frozenset({"x-ai", "perplexity"})  # these count in their own way
_NO_CONTEXT: dict[str, str] = {}


class _Prompt(msgspec.Struct, forbid_unknown_fields=True):
    cached_tokens: Count | None = None
    cache_write_tokens: Count | None = None
    audio_tokens: Count | None = None


class _Completion(msgspec.Struct, forbid_unknown_fields=True):
    reasoning_tokens: Count | None = None
    audio_tokens: Count | None = None
    accepted_prediction_tokens: Any = None
    rejected_prediction_tokens: Any = None


class _ChatUsage(msgspec.Struct, forbid_unknown_fields=True):
    prompt_tokens: Count
    completion_tokens: Count | None = None
    total_tokens: Any = None
    prompt_tokens_details: _Prompt | None = None
    completion_tokens_details: _Completion | None = None
    queue_time: Any = None  # Groq's
    prompt_time: Any = None
    completion_time: Any = None
    total_time: Any = None


class _Chat(msgspec.Struct):
    usage: _ChatUsage
    id: str | None = None
    model: str | None = None
    service_tier: str | None = None


_CHAT = msgspec.json.Decoder(_Chat)


def chat(answer: bytes, provider: str | None) -> Reading | None:
    """What `openai_chat.read` says of it; None where only that can tell."""
    if provider in _APART:
        return None
    try:
        told = _CHAT.decode(answer)
    except msgspec.ValidationError:
        return None
    usage, cached, written, reasoning = told.usage, 0, 0, 0
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    if prompt is not None:
        if prompt.audio_tokens:
            return None
        cached, written = prompt.cached_tokens or 0, prompt.cache_write_tokens or 0
    if completion is not None:
        if completion.audio_tokens:
            return None
        reasoning = completion.reasoning_tokens or 0
    fresh = usage.prompt_tokens - cached - written
    visible = (usage.completion_tokens or 0) - reasoning
    if fresh < 0 or visible < 0:
        return None  # suspect
    return Reading(
        usage=Usage(fresh, cached, written, 0, visible, reasoning),
        provider=provider,
        model=told.model or None,
        response_id=told.id or None,
        context={"service_tier": told.service_tier.lower()} if told.service_tier else _NO_CONTEXT,
    )
