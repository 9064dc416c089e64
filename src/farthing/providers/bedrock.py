"""Bedrock's Converse API."""

from __future__ import annotations

from farthing.domain.usage import Usage
from farthing.providers.reading import Block, Body, Reading, block, named, suspicions, tier


def read(body: Body, provider: str | None) -> Reading:
    """`inputTokens` excludes what was cached. Source: the Converse API's TokenUsage.

    The body does not name its model: give it as `modelId` beside the usage.
    """
    fields = block(body, "usage")
    fields.required("inputTokens")
    usage = _usage(fields)
    served = body.get("serviceTier")
    told = Block(served, "serviceTier").text("type") if isinstance(served, dict) else None
    return Reading(
        usage=usage,
        provider=provider or "aws",
        model=named(body, "modelId", "model"),
        response_id=_request_id(body),
        context=tier(told),
        flags=suspicions(usage),
    )


def _usage(fields: Block) -> Usage:
    writes = fields.count("cacheWriteInputTokens") or fields.count("cacheWriteInputTokenCount")
    reads = fields.count("cacheReadInputTokens") or fields.count("cacheReadInputTokenCount")
    long = sum(
        part.count("inputTokens")
        for part in fields.records("cacheDetails")
        if part.text("ttl") == "1h"
    )
    return Usage(
        input_fresh=fields.count("inputTokens"),
        cache_read=reads,
        cache_write_short=writes - long,
        cache_write_long=long,
        output_visible=fields.count("outputTokens"),
    )


def _request_id(body: Body) -> str | None:
    sent = body.get("ResponseMetadata")
    return named(sent, "RequestId") if isinstance(sent, dict) else None
