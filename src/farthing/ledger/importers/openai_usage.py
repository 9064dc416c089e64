"""OpenAI's usage API: tokens per time bucket, grouped as the caller asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from farthing.ledger.draft import Draft, Problem
from farthing.ledger.fields import bounded, count, text, whole
from farthing.ledger.importer import Options, Source
from farthing.ledger.pages import Identities, Result, results

_RESULT: Final = "organization.usage."
# What a call carries as a row of its own (design §4); storage and sandboxes are no call's.
_NOT_CALLS: Final = frozenset({"vector_stores", "code_interpreter_sessions"})
_GROUPS: Final = (
    *("object", "project_id", "user_id", "api_key_id", "model", "batch", "service_tier"),
    *("api_source", "size", "source", "vector_store_id", "context_level"),
)


class OpenAIUsage:
    name: ClassVar[str] = "openai_usage"
    title: ClassVar[str] = "OpenAI usage API pages"

    def recognises(self, source: Source) -> float:
        if _RESULT.encode() in source.head:
            return 0.98
        empty = b'"bucket"' in source.head and b'"page"' in source.head
        return 0.4 if empty and b"organization.costs" not in source.head else 0.0

    def read(self, source: Source, options: Options) -> Iterator[Draft | Problem]:
        identities = Identities(options.account)
        for result in results(source, "start_time", "end_time"):
            if isinstance(result, Problem):
                yield result
            elif not str(result.fields.get("object")).startswith(_RESULT):
                yield Problem(result.line, "object", "is not a result of the usage API")
            else:
                yield _draft(result, identities)


def _draft(result: Result, identities: Identities) -> Draft:
    said = result.fields
    meter = str(said["object"]).removeprefix(_RESULT).removesuffix(".result")
    quantity, unit = _quantity(said)
    return Draft(
        line=result.line,
        grain="usage",
        time=result.start,
        until=result.end,
        provider="openai",
        model=text(said.get("model")),
        source_id=identities.of(result, *(said.get(name) for name in _GROUPS)),
        # A search is counted again among the requests of its completion.
        requests=None if meter == "web_searches" else said.get("num_model_requests"),
        input_total=said.get("input_tokens"),
        cache_read=said.get("input_cached_tokens"),
        cache_write_short=_short_writes(said),
        cache_write_long=said.get("input_cache_write_12h_tokens"),
        output_total=said.get("output_tokens"),
        details=_details(said, meter),
        context=_context(said),
        describes_calls=meter not in _NOT_CALLS,
        charge_category="Usage",
        service_category="AI and Machine Learning",
        service_name="OpenAI API",
        sku_meter=meter.replace("_", " "),
        consumed_quantity=quantity,
        consumed_unit=unit,
        project=text(said.get("project_id")),
        key=text(said.get("api_key_id")),
        tags=bounded(
            {"user": text(said.get("user_id")), "api_source": text(said.get("api_source"))}
        ),
    )


def _short_writes(said: Mapping[str, Any]) -> Any:
    """30-minute writes; older answers have only the sum of both kinds, or nothing."""
    if said.get("input_cache_write_30m_tokens") is not None:
        return said["input_cache_write_30m_tokens"]
    both = count(said.get("input_cache_write_tokens"))
    long = count(said.get("input_cache_write_12h_tokens"))
    return both if both is None or long is None else both - long


def _details(said: Mapping[str, Any], meter: str) -> dict[str, int] | None:
    """Modalities, with cached tokens inside them, and extras that are not tokens.

    `input_audio_tokens` excluded the cached ones from the day that they got a field of their own.
    """
    return whole(
        {
            "input_audio_tokens": _sum(said, "input_audio_tokens", "input_cached_audio_tokens"),
            "input_image_tokens": _sum(said, "input_image_tokens", "input_cached_image_tokens"),
            "cache_audio_read_tokens": said.get("input_cached_audio_tokens"),
            "cache_image_read_tokens": said.get("input_cached_image_tokens"),
            "output_audio_tokens": said.get("output_audio_tokens"),
            "output_image_tokens": said.get("output_image_tokens"),
            "images": said.get("images"),
            "input_characters": said.get("characters"),
            "audio_seconds": said.get("seconds"),
            "web_searches": said.get("num_requests") if meter == "web_searches" else None,
            "storage_searches": said.get("num_requests") if meter == "file_searches" else None,
        }
    )


def _sum(said: Mapping[str, Any], *names: str) -> int:
    return sum(count(said.get(name)) or 0 for name in names)


def _context(said: Mapping[str, Any]) -> dict[str, str] | None:
    context = {}
    if said.get("batch") is True:
        context["processing"] = "batch"
    if tier := text(said.get("service_tier")):
        context["service_tier"] = tier
    return context or None


def _quantity(said: Mapping[str, Any]) -> tuple[Any, str | None]:
    units = {"images": "Images", "usage_bytes": "Bytes", "num_sessions": "Sessions"}
    found = next((field for field in units if said.get(field) is not None), None)
    return (said[found], units[found]) if found else (None, None)


IMPORTER = OpenAIUsage()
