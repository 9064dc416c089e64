"""The responses API, and its relatives with the same block: realtime, images, transcription."""

from __future__ import annotations

from farthing.domain.usage import NO_DETAILS, Usage
from farthing.providers.openai_chat import charged
from farthing.providers.reading import Block, Body, Reading, block, counted, named, suspicions, tier


def read(body: Body, provider: str | None) -> Reading:
    """`input_tokens` includes what was cached. Source: openai.types.responses.ResponseUsage."""
    fields = block(body, "usage")
    usage = _usage(fields, body, provider)
    return Reading(
        usage=usage,
        provider=provider,
        model=named(body, "model"),
        response_id=named(body, "id"),
        context=tier(named(body, "service_tier") or fields.text("service_tier")),
        reported_usd=charged(fields),
        flags=suspicions(usage),
    )


def read_seconds(body: Body, provider: str | None) -> Reading:
    """Audio that is billed by duration: `usage.seconds`, rounded up to a whole second."""
    seconds = block(body, "usage").required_ceiling("seconds")
    return Reading(
        usage=Usage(details=counted(audio_seconds=seconds, input_audio_seconds=seconds)),
        provider=provider,
        model=named(body, "model"),
        response_id=named(body, "id"),
    )


def _usage(fields: Block, body: Body, provider: str | None) -> Usage:
    # Realtime and transcription write `input_token_details`; responses `input_tokens_details`.
    was = "input_token_details" if fields.holds("input_token_details") else "input_tokens_details"
    made = was.replace("input", "output")
    if provider == "perplexity":
        cached = fields.count(was, "cache_read_input_tokens")
    else:
        cached = fields.count(was, "cached_tokens")
    writes = fields.count(was, "cache_write_tokens")
    long = fields.count(was, "cache_write_tokens_details", "ttl_12h_tokens")
    details = counted(
        input_audio_tokens=fields.count(was, "audio_tokens"),
        cache_audio_read_tokens=fields.count(was, "cached_tokens_details", "audio_tokens"),
        input_image_tokens=fields.count(was, "image_tokens"),
        cache_image_read_tokens=fields.count(was, "cached_tokens_details", "image_tokens"),
        output_audio_tokens=fields.count(made, "audio_tokens"),
        output_image_tokens=fields.count(made, "image_tokens"),
        audio_seconds=fields.count("billable_audio_seconds"),
        input_text_messages=fields.count("input_text_messages"),
        web_searches=_searches(fields, body),
        storage_searches=_calls(body, "file_search_call"),
    )
    return Usage.from_totals(
        input_total=fields.count("input_tokens"),
        output_total=fields.count("output_tokens"),
        cache_read=cached,
        cache_write_short=writes - long,
        cache_write_long=long,
        reasoning=fields.count(made, "reasoning_tokens"),
        details=details or NO_DETAILS,
    )


def _searches(fields: Block, body: Body) -> int:
    """Web searches: counted by the provider, else the calls in the output that searched.

    Opening a page or finding in it is a `web_search_call` too, but not billed as a search.
    """
    told = fields.known("tool_calls_details", "search_web", "invocation")
    if told is None:
        told = fields.known("server_side_tool_usage_details", "web_search_calls")
    return _calls(body, "web_search_call") if told is None else told


def _calls(body: Body, kind: str) -> int:
    return sum(
        call.text("type") == kind
        and call.text("status") in {None, "completed"}
        and call.text("action", "type") in {None, "search"}
        for call in Block(body, "answer").records("output")
    )
