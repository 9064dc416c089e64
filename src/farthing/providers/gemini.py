"""Gemini's generateContent, in AI Studio and Vertex AI."""

from __future__ import annotations

from farthing.domain.usage import NO_DETAILS, Usage
from farthing.providers.reading import Block, Body, Reading, block, named, suspicions, tier

# Gemini's modality → the word in genai-prices' units. Documents are billed as images.
_MODALITIES = {
    "TEXT": "text",
    "AUDIO": "audio",
    "IMAGE": "image",
    "DOCUMENT": "image",
    "VIDEO": "video",
}
_PARTS = (
    ("promptTokensDetails", "input_{}_tokens"),
    ("toolUsePromptTokensDetails", "input_{}_tokens"),
    ("toolUsePromptTokensDetails", "input_{}_tool_tokens"),
    ("cacheTokensDetails", "cache_{}_read_tokens"),
    ("candidatesTokensDetails", "output_{}_tokens"),
)
_TRAFFIC_TIERS = {"ON_DEMAND_PRIORITY": "priority", "ON_DEMAND_FLEX": "flex"}


def read(body: Body, provider: str | None) -> Reading:
    """Thoughts are beside candidates, tool prompts beside the prompt, both billed.

    Source: google.genai.types.GenerateContentResponseUsageMetadata.
    """
    fields = block(body, "usageMetadata")
    usage = _usage(fields)
    return Reading(
        usage=usage,
        provider=provider or "google",
        model=named(body, "modelVersion", "model"),
        response_id=named(body, "responseId"),
        context=_context(fields),
        flags=suspicions(usage),
    )


def _usage(fields: Block) -> Usage:
    tools = fields.count("toolUsePromptTokenCount")
    thoughts = fields.count("thoughtsTokenCount")
    details = _by_modality(fields)
    if tools:
        details["input_tool_tokens"] = tools
    return Usage.from_totals(
        input_total=fields.count("promptTokenCount") + tools,
        output_total=fields.count("candidatesTokenCount") + thoughts,
        cache_read=fields.count("cachedContentTokenCount"),
        reasoning=thoughts,
        details=details or NO_DETAILS,
    )


def _by_modality(fields: Block) -> dict[str, int]:
    details: dict[str, int] = {}
    for name, unit in _PARTS:
        for part in fields.records(name):
            modality = _MODALITIES.get(part.text("modality") or "")
            count = part.count("tokenCount")
            if modality and count:
                key = unit.format(modality)
                details[key] = details.get(key, 0) + count
    return details


def _context(fields: Block) -> dict[str, str]:
    told = fields.text("serviceTier") or _TRAFFIC_TIERS.get(fields.text("trafficType") or "")
    return tier(told)
