"""Anthropic messages, wherever they are served: Anthropic, Bedrock, Vertex AI, Foundry."""

from __future__ import annotations

from farthing.domain.usage import NO_DETAILS, Usage
from farthing.providers.reading import Block, Body, Reading, block, counted, named, suspicions, tier

# Counted in the top-level block already; every other kind is billed beside it.
_IN_TOP_LEVEL = frozenset({"message", "fallback_message"})
_ANYWHERE = frozenset({"not_available", "global"})


def read(body: Body, provider: str | None) -> Reading:
    """`input_tokens` excludes what was cached. Source: anthropic.types.beta.BetaUsage."""
    fields = block(body, "usage")
    fields.required("input_tokens")
    usage = _usage(fields)
    who = provider or "anthropic"
    model, response_id = named(body, "model"), named(body, "id")
    context = _context(fields)
    return Reading(
        usage=usage,
        provider=who,
        model=model,
        response_id=response_id,
        context=context,
        flags=suspicions(usage),
        also=tuple(
            Reading(
                usage=_usage(run),
                provider=who,
                model=run.text("model") or model,
                response_id=response_id,
                context=context,
                flags=(run.text("type") or "iteration",),
            )
            for run in fields.records("iterations")
            if run.text("type") not in _IN_TOP_LEVEL
        ),
    )


def _usage(fields: Block) -> Usage:
    writes = fields.count("cache_creation_input_tokens")
    long = fields.count("cache_creation", "ephemeral_1h_input_tokens")
    short = fields.known("cache_creation", "ephemeral_5m_input_tokens")
    if not fields.holds("cache_creation_input_tokens"):
        writes = long + (short or 0)
    thinking = fields.count("output_tokens_details", "thinking_tokens")
    details = counted(
        web_searches=fields.count("server_tool_use", "web_search_requests"),
    )
    return Usage(
        input_fresh=fields.count("input_tokens"),
        cache_read=fields.count("cache_read_input_tokens"),
        cache_write_short=writes - long,
        cache_write_long=long,
        output_visible=fields.count("output_tokens") - thinking,
        reasoning=thinking,
        details=details or NO_DETAILS,
    )


def _context(fields: Block) -> dict[str, str]:
    told = fields.text("service_tier")
    # A batch is a way of processing to price lists, not a tier.
    context = {"processing": "batch"} if told == "batch" else tier(told)
    if speed := fields.text("speed"):
        context["speed"] = speed
    if (geo := fields.text("inference_geo")) and geo not in _ANYWHERE:
        context["inference_geo"] = geo
    return context
