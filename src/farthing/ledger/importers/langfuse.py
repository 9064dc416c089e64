"""Langfuse observations: the generations and embeddings among them are calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from farthing.ledger.draft import Draft, Problem
from farthing.ledger.fields import (
    bounded,
    count,
    first,
    in_utc,
    mapping,
    milliseconds,
    provider_name,
    tags_of,
    take_scope,
    text,
    whole,
)
from farthing.ledger.importer import Options, Source
from farthing.ledger.records import Record, csv_records, is_csv, json_records, names, parsed

# Spans, tools, agents and the like repeat what the generations below them cost.
_CALLS: Final = frozenset({"GENERATION", "EMBEDDING"})
_OURS: Final = frozenset(
    {
        *("usageDetails", "usage_details", "costDetails", "cost_details", "providedModelName"),
        *("provided_model_name", "calculatedTotalCost", "completionStartTime", "modelParameters"),
        *("completion_start_time", "model_parameters", "promptTokens", "parentObservationId"),
    }
)


class Langfuse:
    """Reads what the API answers, what the page exports and what lands in blob storage."""

    name: ClassVar[str] = "langfuse"
    title: ClassVar[str] = "Langfuse observations"

    def recognises(self, source: Source) -> float:
        found = names(source.head)
        if found & {"traceId", "trace_id"} and found & _OURS:
            return 0.96
        head = source.head
        inside = b'"traceId"' in head and b'"startTime"' in head and b'"GENERATION"' in head
        return 0.9 if inside and "data" in found else 0.0

    def read(self, source: Source, options: Options) -> Iterator[Draft | Problem]:
        records = csv_records(source) if is_csv(source) else json_records(source, ("data",))
        for record in records:
            if isinstance(record, Problem):
                yield record
            elif str(record.fields.get("type", "GENERATION")).upper() in _CALLS:
                yield _draft(record)


def _draft(record: Record) -> Draft | Problem:
    row = {_camel(name): value for name, value in record.fields.items()}
    usage = mapping(parsed(row.get("usage")))
    unit = text(first({**row, **usage}, ("unit",)))
    if unit and unit.upper() != "TOKENS":
        return Problem(record.line, "usage.unit", f"counts {unit}, not tokens")
    metadata = mapping(parsed(row.get("metadata")))
    spoken = mapping(parsed(metadata.get("attributes")))
    labels = _labels(row, metadata)
    scope = take_scope(labels, environment=text(row.get("environment")))
    start = in_utc(row.get("startTime"))
    model = first(row, ("providedModelName", "model", "internalModelId"))
    return Draft(
        line=record.line,
        time=start,
        provider=_provider(metadata, spoken),
        operation="embeddings" if str(row.get("type")).upper() == "EMBEDDING" else "chat",
        model=text(model),
        response_id=text(first({**metadata, **spoken}, ("gen_ai.response.id", "response_id"))),
        source_id=text(row.get("id")),
        status="error" if str(row.get("level")).upper() == "ERROR" else "ok",
        latency_ms=milliseconds(start, row.get("endTime")),
        ttft_ms=milliseconds(start, row.get("completionStartTime")),
        session_id=text(row.get("sessionId")),
        trace_id=text(row.get("traceId")),
        template_id=_template(row),
        tags=bounded(_own_tags(row), labels),
        **scope,
        **_counts(row, usage),
    )


def _counts(row: Mapping[str, Any], usage: Mapping[str, Any]) -> dict[str, Any]:
    """Buckets from `usageDetails`, else the two totals of version 2.

    Langfuse takes the parts it knows out of `input` and `output`, so that all adds up to
    `total`. Where `total` says that only input and output add up, the parts lie inside them.
    """
    details = mapping(parsed(row.get("usageDetails")))
    parts = {name: n for name, said in details.items() if (n := count(said)) is not None}
    if parts:
        return _buckets(parts)
    # Never `input` and `output` of the row itself: those are the prompt and the answer.
    return {
        "input_total": first({**usage, **_columns(row)}, ("promptTokens", "input")),
        "output_total": first({**usage, **_columns(row)}, ("completionTokens", "output")),
    }


def _columns(row: Mapping[str, Any]) -> dict[str, Any]:
    spellings = {
        "promptTokens": ("promptTokens", "inputTokens", "inputUsage"),
        "completionTokens": ("completionTokens", "outputTokens", "outputUsage"),
    }
    return {name: first(row, said) for name, said in spellings.items()}


def _buckets(parts: Mapping[str, int]) -> dict[str, Any]:
    sums = dict.fromkeys(
        ("input", "cache_read", "cache_write_short", "cache_write_long", "output", "reasoning"), 0
    )
    for name, n in parts.items():
        if bucket := _bucket(name):
            sums[bucket] += n
    everything, outer = sum(sums.values()), parts.get("input", 0) + parts.get("output", 0)
    total = parts.get("total", everything)
    inside = total == outer != everything
    given = ("cache_read", "cache_write_short", "cache_write_long", "reasoning")
    return {
        **{bucket: sums[bucket] for bucket in given},
        "input_total" if inside else "input_fresh": parts.get("input") if inside else sums["input"],
        "output_total" if inside else "output_visible": (
            parts.get("output") if inside else sums["output"]
        ),
        "details": _details(parts),
        "flags": None if total in (everything, outer) else ["suspect"],
    }


def _bucket(name: str) -> str | None:
    """Which bucket a usage type counts in: they are free texts, but follow a few habits."""
    words = name.lower()
    if words == "total":
        return None
    if "reason" in words or "thought" in words or "thinking" in words:
        return "reasoning"
    if "creation" in words or "write" in words:
        return "cache_write_long" if "1h" in words else "cache_write_short"
    if "cache" in words:
        return "cache_read"
    return next((way for way in ("input", "output") if words.startswith(way)), None)


def _details(parts: Mapping[str, int]) -> dict[str, int] | None:
    """The modality's share of a bucket, by genai-prices' names."""
    found = {}
    for way in ("input", "output"):
        for modality in ("audio", "image"):
            spellings = (f"{way}_{modality}_tokens", f"{way}_{modality}")
            found[spellings[0]] = first(parts, spellings)
    return whole(found)


def _provider(metadata: Mapping[str, Any], spoken: Mapping[str, Any]) -> str | None:
    said = ("gen_ai.provider.name", "gen_ai.system", "ls_provider", "llm.provider", "llm.system")
    return provider_name(first({**metadata, **spoken}, said))


def _template(row: Mapping[str, Any]) -> str | None:
    name, version = text(row.get("promptName")), text(row.get("promptVersion"))
    return f"{name}:{version}" if name and version else name


def _labels(row: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, str]:
    listed = parsed(first(row, ("tags", "traceTags")))
    said = {name: value for name, value in metadata.items() if not name.startswith("ls_")}
    return {**tags_of(said), **tags_of(listed)}


def _own_tags(row: Mapping[str, Any]) -> dict[str, str | None]:
    costs = mapping(parsed(row.get("costDetails")))
    return {
        "source_cost_usd": text(
            first({**costs, **row}, ("totalCost", "calculatedTotalCost", "total"))
        ),
        "user": text(row.get("userId")),
        "name": text(row.get("name")),
        "trace_name": text(row.get("traceName")),
    }


def _camel(name: str) -> str:
    """Blob storage writes snake case, everything else camel case."""
    head, *rest = name.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in rest)


IMPORTER = Langfuse()
