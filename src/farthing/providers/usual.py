"""The usual usage blocks, read at the speed of a live call; the rest is for the full readers."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from farthing.domain.usage import NO_DETAILS, Usage
from farthing.providers.reading import Reading

# As the full readers have it: whole, not negative, not absurd.
Count = Annotated[int, msgspec.Meta(ge=0, le=10**12)]
_APART = frozenset({"x-ai", "perplexity"})  # these count in their own way
_SEARCHES = frozenset({"web_search_call", "file_search_call"})
_ANYWHERE = frozenset({None, "", "not_available", "global"})
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


class _EmbeddingUsage(msgspec.Struct, forbid_unknown_fields=True):
    prompt_tokens: Count
    total_tokens: Any = None


class _Embedded(msgspec.Struct):
    usage: _EmbeddingUsage
    id: str | None = None
    model: str | None = None


class _Details(msgspec.Struct, forbid_unknown_fields=True):
    cached_tokens: Count | None = None
    cache_write_tokens: Count | None = None
    reasoning_tokens: Count | None = None


class _ResponsesUsage(msgspec.Struct, forbid_unknown_fields=True):
    input_tokens: Count
    output_tokens: Count
    total_tokens: Any = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None


class _Item(msgspec.Struct):
    type: str


class _Response(msgspec.Struct):
    usage: _ResponsesUsage
    output: list[_Item] = []
    id: str | None = None
    model: str | None = None
    service_tier: str | None = None


class _Split(msgspec.Struct, forbid_unknown_fields=True):
    ephemeral_5m_input_tokens: Count = 0
    ephemeral_1h_input_tokens: Count = 0


class _Thinking(msgspec.Struct, forbid_unknown_fields=True):
    thinking_tokens: Count | None = None


class _AnthropicUsage(msgspec.Struct, forbid_unknown_fields=True):
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation: _Split | None = None
    output_tokens_details: _Thinking | None = None
    service_tier: str | None = None
    server_tool_use: None = None
    inference_geo: str | None = None


class _Message(msgspec.Struct):
    usage: _AnthropicUsage
    id: str | None = None
    model: str | None = None


class _Modality(msgspec.Struct, forbid_unknown_fields=True):
    modality: str
    tokenCount: Count = 0  # noqa: N815  Google's spelling


class _GeminiUsage(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    prompt_token_count: Count = 0
    candidates_token_count: Count = 0
    thoughts_token_count: Count = 0
    cached_content_token_count: Count = 0
    total_token_count: Any = None
    prompt_tokens_details: list[_Modality] = []
    candidates_tokens_details: list[_Modality] = []


class _Generated(msgspec.Struct, rename="camel"):
    usage_metadata: _GeminiUsage
    model_version: str | None = None
    response_id: str | None = None


_CHAT = msgspec.json.Decoder(_Chat)
_EMBEDDED = msgspec.json.Decoder(_Embedded)
_RESPONSE = msgspec.json.Decoder(_Response)
_MESSAGE = msgspec.json.Decoder(_Message)
_ANTHROPIC_USAGE = msgspec.json.Decoder(_AnthropicUsage)
_GENERATED = msgspec.json.Decoder(_Generated)
_NO_USAGE = _AnthropicUsage()


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
    found = Usage(fresh, cached, written, 0, visible, reasoning)
    return _reading(found, provider, told.model, told.id, told.service_tier)


def embeddings(answer: bytes, provider: str | None) -> Reading | None:
    """What `openai_chat.read_embeddings` says of it; None where only that can tell."""
    try:
        told = _EMBEDDED.decode(answer)
    except msgspec.ValidationError:
        return None
    return _reading(Usage(told.usage.prompt_tokens), provider, told.model, told.id, None)


def response(answer: bytes, provider: str | None) -> Reading | None:
    """What `openai_responses.read` says of it; None where only that can tell."""
    try:
        told = _RESPONSE.decode(answer)
    except msgspec.ValidationError:
        return None
    if any(item.type in _SEARCHES for item in told.output):
        return None
    usage, cached, written, reasoning = told.usage, 0, 0, 0
    if (given := usage.input_tokens_details) is not None:
        cached, written = given.cached_tokens or 0, given.cache_write_tokens or 0
    if (made := usage.output_tokens_details) is not None:
        reasoning = made.reasoning_tokens or 0
    fresh, visible = usage.input_tokens - cached - written, usage.output_tokens - reasoning
    if provider == "perplexity" or fresh < 0 or visible < 0:
        return None
    found = Usage(fresh, cached, written, 0, visible, reasoning)
    return _reading(found, provider, told.model, told.id, told.service_tier)


def message(answer: bytes, later: bytes, provider: str | None) -> Reading | None:
    """What `anthropic.read` says of a message and the later usage block of its stream, or b""."""
    try:
        told = _MESSAGE.decode(answer)
        last = _ANTHROPIC_USAGE.decode(later) if later else _NO_USAGE
    except msgspec.ValidationError:
        return None
    first = told.usage
    fresh = first.input_tokens if last.input_tokens is None else last.input_tokens
    split = last.cache_creation or first.cache_creation
    written = _later(last.cache_creation_input_tokens, first.cache_creation_input_tokens)
    long = split.ephemeral_1h_input_tokens if split is not None else 0
    thought = last.output_tokens_details or first.output_tokens_details
    thinking = (thought.thinking_tokens or 0) if thought is not None else 0
    visible = _later(last.output_tokens, first.output_tokens) - thinking
    service_tier = last.service_tier or first.service_tier
    if fresh is None or (split is not None and written < long) or visible < 0:
        return None
    if service_tier == "batch" or (last.inference_geo or first.inference_geo) not in _ANYWHERE:
        return None
    if split is not None and written == 0 and split.ephemeral_5m_input_tokens:
        return None
    read = _later(last.cache_read_input_tokens, first.cache_read_input_tokens)
    found = Usage(fresh, read, written - long, long, visible, thinking)
    return _reading(found, provider or "anthropic", told.model, told.id, service_tier)


def generated(answer: bytes, provider: str | None) -> Reading | None:
    """What `gemini.read` says of it; None where only that can tell."""
    try:
        told = _GENERATED.decode(answer)
    except msgspec.ValidationError:
        return None
    usage = told.usage_metadata
    details: dict[str, int] = {}
    for unit, parts in (
        ("input_text_tokens", usage.prompt_tokens_details),
        ("output_text_tokens", usage.candidates_tokens_details),
    ):
        for part in parts:
            if part.modality != "TEXT":
                return None
            if part.tokenCount:
                details[unit] = details.get(unit, 0) + part.tokenCount
    cached, thoughts = usage.cached_content_token_count, usage.thoughts_token_count
    fresh, visible = usage.prompt_token_count - cached, usage.candidates_token_count
    if fresh < 0 or details.get("input_text_tokens", 0) > usage.prompt_token_count:
        return None
    if details.get("output_text_tokens", 0) > visible + thoughts:
        return None
    found = Usage(fresh, cached, 0, 0, visible, thoughts, details or NO_DETAILS)
    return _reading(found, provider or "google", told.model_version, told.response_id, None)


def _later(last: int | None, first: int | None) -> int:
    return (first or 0) if last is None else last


def _reading(
    usage: Usage, provider: str | None, model: str | None, response_id: str | None, tier: str | None
) -> Reading:
    return Reading(
        usage=usage,
        provider=provider,
        model=model or None,
        response_id=response_id or None,
        context={"service_tier": tier.lower()} if tier else _NO_CONTEXT,
    )
