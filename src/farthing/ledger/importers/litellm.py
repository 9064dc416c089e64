"""LiteLLM's spend logs: one row per request through its proxy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final

from farthing.ledger.draft import Draft, Problem
from farthing.ledger.fields import (
    bounded,
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

_OPERATIONS: Final = MappingProxyType(
    {
        "completion": "chat",
        "responses": "chat",
        "anthropic_messages": "chat",
        "text_completion": "text_completion",
        "embedding": "embeddings",
        "generate_content": "generate_content",
    }
)
_KEY_LENGTH: Final = 12  # of the hash, enough to tell keys apart in a report


class LiteLLM:
    """Reads rows of LiteLLM_SpendLogs: JSON, JSONL or CSV, bare or inside an answer's `data`."""

    name: ClassVar[str] = "litellm"
    title: ClassVar[str] = "LiteLLM spend logs"

    def recognises(self, source: Source) -> float:
        found = names(source.head)
        if {"request_id", "startTime"} <= found and found & {"spend", "call_type"}:
            return 0.97
        head = source.head
        inside = all(field in head for field in (b'"request_id"', b'"call_type"', b'"spend"'))
        return 0.9 if inside and "data" in found else 0.0

    def read(self, source: Source, options: Options) -> Iterator[Draft | Problem]:
        records = csv_records(source) if is_csv(source) else json_records(source, ("data",))
        for record in records:
            if isinstance(record, Problem):
                yield record
            elif "request_id" not in record.fields:
                yield Problem(record.line, "request_id", "is missing")
            else:
                yield _draft(record)


def _draft(record: Record) -> Draft:
    row = record.fields
    metadata = mapping(parsed(row.get("metadata")))
    usage = _usage(metadata)
    labels = _labels(row, metadata)
    scope = take_scope(
        labels,
        team=text(metadata.get("user_api_key_team_alias")) or text(row.get("team_id")),
        customer=text(row.get("end_user")),
    )
    hit = str(row.get("cache_hit")).lower() == "true"
    failed = "failure" in (row.get("status"), metadata.get("status"))
    operation = str(row.get("call_type") or "")
    asked = text(row.get("model"))
    start = in_utc(row.get("startTime"))
    return Draft(
        line=record.line,
        time=start,
        provider=provider_name(row.get("custom_llm_provider")),
        operation=_operation(operation),
        model=_without_prefix(asked, row.get("custom_llm_provider")),
        # A hit repeats the id of the answer it repeats; a failure has none.
        response_id=None if hit or failed else text(row.get("request_id")),
        source_id=text(row.get("request_id")),
        attempt=0 if hit else None,
        status="error" if failed else "ok",
        latency_ms=milliseconds(start, row.get("endTime")),
        ttft_ms=_first_token(row),
        session_id=text(row.get("session_id")),
        context=_context(operation, usage),
        key=_key(row, metadata),
        tags=bounded(_own_tags(row, asked), labels),
        flags=["cache_hit"] if hit else None,
        **scope,
        **_counts(row, usage),
    )


def _usage(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """The whole usage block; rows written before it was kept have only what is unusual in it."""
    return mapping(metadata.get("usage_object")) or mapping(metadata.get("additional_usage_values"))


def _counts(row: Mapping[str, Any], usage: Mapping[str, Any]) -> dict[str, Any]:
    """LiteLLM's totals include cached and reasoning tokens, for every provider."""
    prompt = mapping(usage.get("prompt_tokens_details"))
    answer = mapping(usage.get("completion_tokens_details"))
    tools = mapping(usage.get("server_tool_use"))
    written = mapping(prompt.get("cache_creation_token_details"))
    long = written.get("ephemeral_1h_input_tokens")
    both = first({**prompt, **usage}, ("cache_creation_input_tokens", "cache_creation_tokens"))
    return {
        "input_total": row.get("prompt_tokens"),
        "output_total": row.get("completion_tokens"),
        "cache_read": first(
            {**prompt, **usage}, ("cache_read_input_tokens", "cached_tokens", "cache_read_tokens")
        ),
        "cache_write_short": written.get("ephemeral_5m_input_tokens") if long else both,
        "cache_write_long": long,
        "reasoning": answer.get("reasoning_tokens"),
        "details": whole(
            {
                "input_audio_tokens": prompt.get("audio_tokens"),
                "input_image_tokens": prompt.get("image_tokens"),
                "output_audio_tokens": answer.get("audio_tokens"),
                "output_image_tokens": answer.get("image_tokens"),
                "web_searches": first(
                    {**tools, **prompt}, ("web_search_requests", "web_search_calls")
                ),
            }
        ),
    }


def _operation(said: str) -> str | None:
    """OpenTelemetry's name; `acompletion` is LiteLLM's for the same without blocking."""
    return _OPERATIONS.get(said) or _OPERATIONS.get(said.removeprefix("a")) or said or None


def _context(operation: str, usage: Mapping[str, Any]) -> dict[str, str] | None:
    context = {}
    if "batch" in operation:
        context["processing"] = "batch"
    for name in ("service_tier", "speed", "inference_geo"):
        if (value := text(usage.get(name))) and value != "not_available":
            context[name] = value
    return context or None


def _first_token(row: Mapping[str, Any]) -> int | None:
    """Without streaming LiteLLM repeats the end there, which says nothing."""
    seen = row.get("completionStartTime")
    return None if seen == row.get("endTime") else milliseconds(row.get("startTime"), seen)


def _labels(row: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, str]:
    asked = mapping(parsed(metadata.get("spend_logs_metadata")))
    return {**tags_of(asked), **tags_of(parsed(row.get("request_tags")))}


def _own_tags(row: Mapping[str, Any], asked: str | None) -> dict[str, str | None]:
    group = text(row.get("model_group"))
    return {
        "source_cost_usd": text(row.get("spend")),
        "user": text(row.get("user")),
        "organization": text(row.get("organization_id")),
        "model_group": group if group != asked else None,
    }


def _key(row: Mapping[str, Any], metadata: Mapping[str, Any]) -> str | None:
    """The key's alias, else the start of its hash. A key that was never hashed is not kept."""
    hashed = text(row.get("api_key")) or ""
    if alias := text(metadata.get("user_api_key_alias")):
        return alias
    return None if hashed.startswith("sk-") else hashed[:_KEY_LENGTH] or None


def _without_prefix(model: str | None, said: Any) -> str | None:
    return model.removeprefix(f"{said}/") if model and said else model


IMPORTER = LiteLLM()
