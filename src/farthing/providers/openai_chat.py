"""Chat completions and embeddings: OpenAI's, and everyone's who speaks the same protocol."""

from __future__ import annotations

from farthing.domain.usage import NO_DETAILS, Usage
from farthing.providers.reading import Block, Body, Reading, block, counted, named, suspicions, tier

# These count reasoning beside completion_tokens; everybody else counts it inside.
_REASONING_APART = frozenset({"x-ai", "perplexity"})
_TICKS_PER_USD = 10**10  # https://docs.x.ai/developers/cost-tracking
_PROMPT, _COMPLETION = "prompt_tokens_details", "completion_tokens_details"


def read(body: Body, provider: str | None) -> Reading:
    """`prompt_tokens` includes what was cached. Source: openai.types.CompletionUsage."""
    fields = block(body, "usage")
    usage = _usage(fields, provider)
    return Reading(
        usage=usage,
        provider=provider,
        model=named(body, "model"),
        response_id=named(body, "id"),
        context=tier(named(body, "service_tier") or fields.text("service_tier")),
        reported_usd=charged(fields),
        flags=(*suspicions(usage), *_key_of_ones_own(body)),
    )


def read_embeddings(body: Body, provider: str | None) -> Reading:
    """Only a prompt: a completion count in the same block is not billed as embedding."""
    fields = block(body, "usage")
    usage = Usage.from_totals(input_total=fields.required("prompt_tokens"), output_total=0)
    return Reading(
        usage=usage,
        provider=provider,
        model=named(body, "model"),
        response_id=named(body, "id"),
        reported_usd=charged(fields),
    )


def charged(fields: Block) -> str | None:
    """What the provider says it charged: OpenRouter in dollars, xAI in ticks.

    With a key of one's own at the upstream (`is_byok`) OpenRouter reports its fee alone, which
    is not what the call costs.
    """
    if fields.flagged("is_byok"):
        return None
    return fields.usd("cost_in_usd_ticks", _TICKS_PER_USD) or fields.usd("cost")


def _usage(fields: Block, provider: str | None) -> Usage:
    reasoning = _reasoning(fields)
    completion = fields.count("completion_tokens")
    writes = fields.count(_PROMPT, "cache_write_tokens")
    long = fields.count(_PROMPT, "cache_write_tokens_details", "ttl_12h_tokens")
    citations = fields.count("citation_tokens") if provider == "perplexity" else 0
    apart = (reasoning if provider in _REASONING_APART else 0) + citations
    return Usage.from_totals(
        input_total=fields.required("prompt_tokens"),
        output_total=completion + apart,
        cache_read=_cached(fields),
        cache_write_short=writes - long,
        cache_write_long=long,
        reasoning=reasoning,
        details=_details(fields, citations) or NO_DETAILS,
    )


def _cached(fields: Block) -> int:
    """OpenAI, Groq, Mistral …; DeepSeek; Moonshot and Hugging Face; xAI; Databricks."""
    return (
        fields.count(_PROMPT, "cached_tokens")
        or fields.count("prompt_cache_hit_tokens")
        or fields.count("cached_tokens")
        or fields.count("cached_prompt_text_tokens")
        or fields.count("cache_read_input_tokens")
    )


def _reasoning(fields: Block) -> int:
    return fields.count(_COMPLETION, "reasoning_tokens") or fields.count("reasoning_tokens")


def _details(fields: Block, citations: int) -> dict[str, int]:
    tools = "server_side_tool_usage_details"
    return counted(
        input_audio_tokens=fields.count(_PROMPT, "audio_tokens"),
        cache_audio_read_tokens=fields.count(_PROMPT, "cached_tokens_details", "audio_tokens"),
        input_image_tokens=fields.count(_PROMPT, "image_tokens"),
        input_video_tokens=fields.count(_PROMPT, "video_tokens"),
        output_audio_tokens=fields.count(_COMPLETION, "audio_tokens"),
        output_image_tokens=fields.count(_COMPLETION, "image_tokens"),
        output_citation_tokens=citations,
        web_searches=fields.count("num_search_queries") + fields.count(tools, "web_search_calls"),
        social_searches=fields.count(tools, "x_search_calls"),
        code_executions=fields.count(tools, "code_interpreter_calls"),
    )


def _key_of_ones_own(body: Body) -> tuple[str, ...]:
    return ("byok",) if block(body, "usage").flagged("is_byok") else ()
