"""OpenTelemetry traces in OTLP/JSON: the spans that called a model are calls."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any, ClassVar, Final

from farthing.ledger.draft import Draft, Problem
from farthing.ledger.fields import (
    bounded,
    count,
    first,
    from_nanoseconds,
    items,
    mapping,
    provider_name,
    tags_of,
    take_scope,
    text,
    whole,
)
from farthing.ledger.importer import Options, Source
from farthing.ledger.records import json_records, names

# Every name that a generation of the GenAI conventions, OpenInference or OpenLLMetry gave to one
# thing, newest first.
_PROVIDER: Final = (
    *("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system", "llm.vendor"),
)
_MODEL: Final = (
    *("gen_ai.request.model", "llm.request.model", "llm.model_name", "embedding.model_name"),
)
_SERVED: Final = ("gen_ai.response.model", "llm.response.model")
_INPUT: Final = (
    *("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.usage.prompt_tokens"),
    "llm.token_count.prompt",
)
_OUTPUT: Final = (
    *("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    *("llm.usage.completion_tokens", "llm.token_count.completion"),
)
_CACHE_READ: Final = (
    *("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"),
    *("gen_ai.usage.cached_tokens", "gen_ai.usage.input_tokens.cached"),
    *("gen_ai.usage.cache_read_tokens", "gen_ai.usage.details.cache_read_tokens"),
    *("gen_ai.usage.details.cached_tokens", "llm.usage.cache_read_input_tokens"),
    "llm.token_count.prompt_details.cache_read",
)
_CACHE_WRITE: Final = (
    *("gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_write.input_tokens"),
    *("gen_ai.usage.cache_creation_input_tokens", "gen_ai.usage.cache_write_input_tokens"),
    *("gen_ai.usage.input_tokens.cache_write", "gen_ai.usage.cache_write_tokens"),
    *("gen_ai.usage.details.cache_write_tokens", "llm.usage.cache_creation_input_tokens"),
    "llm.token_count.prompt_details.cache_write",
)
_REASONING: Final = (
    *("gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens"),
    *("gen_ai.usage.output_tokens.reasoning", "gen_ai.usage.details.reasoning_tokens"),
    *("llm.usage.reasoning_tokens", "llm.token_count.completion_details.reasoning"),
)
_AUDIO_IN: Final = (
    "gen_ai.usage.details.input_audio_tokens",
    "llm.token_count.prompt_details.audio",
)
_AUDIO_OUT: Final = (
    *("gen_ai.usage.details.output_audio_tokens", "llm.token_count.completion_details.audio"),
)
_TIER: Final = (
    *("openai.response.service_tier", "gen_ai.openai.response.service_tier"),
    "gen_ai.response.service_tier",
)
_COST: Final = (
    *("gen_ai.usage.cost", "gen_ai.usage.cost.amount", "gen_ai.usage.cost_usd"),
    *("gen_ai.usage.total_cost", "llm.usage.cost", "llm.cost.total"),
)
_CURRENCY: Final = ("gen_ai.usage.cost.currency", "gen_ai.usage.cost_currency")
_SESSION: Final = (
    *("gen_ai.conversation.id", "session.id", "langfuse.session.id"),
    "traceloop.association.properties.session_id",
)
_USER: Final = (
    *("user.id", "enduser.id", "langfuse.user.id", "gen_ai.user.id"),
    "traceloop.association.properties.user_id",
)
_ENVIRONMENT: Final = ("deployment.environment.name", "deployment.environment")
# Agents, tools and chains repeat the tokens of the calls below them.
_CALLS: Final = frozenset(
    {"chat", "text_completion", "generate_content", "embeddings", "completion", "embedding"}
)
_KINDS: Final = frozenset({"LLM", "EMBEDDING"})
_OPERATIONS: Final = MappingProxyType({"completion": "text_completion", "embedding": "embeddings"})
# Consumed above, or a place where instrumentations put prompts and answers.
_NOT_TAGS: Final = (
    *("gen_ai.", "llm.", "ai.", "input.", "output.", "embedding.", "openinference.", "langfuse."),
    *("traceloop.", "retrieval.", "document.", "reranker.", "tool.", "prompt", "completion"),
    *("request.", "response.", "message", "messages", "all_messages", "events", "db.", "mlflow."),
    *("url.", "http.", "openai.", "error.", "exception."),
)
_ASSOCIATED: Final = "traceloop.association.properties."
_READ: Final = frozenset(
    (
        *(*_PROVIDER, *_MODEL, *_SERVED, *_INPUT, *_OUTPUT, *_CACHE_READ, *_CACHE_WRITE),
        *(*_REASONING, *_AUDIO_IN, *_AUDIO_OUT, *_TIER, *_COST, *_CURRENCY, *_SESSION, *_USER),
        *("gen_ai.operation.name", "openinference.span.kind", "traceloop.span.kind"),
        *("llm.request.type", "gen_ai.response.id", "gen_ai.prompt.name", "error.type"),
        *("gen_ai.agent.name", "gen_ai.agent.id", "gen_ai.response.time_to_first_chunk"),
        *("farthing.request_id", "farthing.attempt", "farthing.account"),
        *("farthing.cost_usd_exact", "farthing.usage.cache_write_long_tokens"),
    )
)
# What our own export says of an attempt beside its owner; see api/call_spans.py.
_OUR_COST: Final = "farthing.cost_usd_exact"
_OUR_LONG_WRITES: Final = "farthing.usage.cache_write_long_tokens"
_OUR_TAG: Final = "farthing.tag."
_OUR_CONTEXT: Final = "farthing.context."
_OUR_FACTS: Final = frozenset(
    f"farthing.{name}"
    for name in (
        *("request_id", "attempt", "tenant", "key", "account", "policy_version", "arm", "cache"),
        *("clamped", "flags", "cost_usd", "cost_usd_exact", "list_usd", "reported_usd"),
        "usage.cache_write_long_tokens",
    )
)
_RESPONSE_WAS_ERROR: Final = frozenset({"2", "STATUS_CODE_ERROR"})


@dataclass(frozen=True, slots=True)
class Span:
    """A span as OTLP writes it, its attributes and its resource's as plain mappings."""

    line: int
    fields: Mapping[str, Any]
    said: Mapping[str, Any]
    resource: Mapping[str, Any]


class Otlp:
    """Reads ExportTraceServiceRequest documents, one or one a line, as the file exporter does."""

    name: ClassVar[str] = "otlp"
    title: ClassVar[str] = "OpenTelemetry traces (OTLP/JSON)"

    def recognises(self, source: Source) -> float:
        found = names(source.head)
        if found & {"resourceSpans", "resource_spans"}:
            return 0.97
        return 0.5 if found & {"resourceLogs", "resourceMetrics"} else 0.0

    def read(self, source: Source, options: Options) -> Iterator[Draft | Problem]:
        for span in _spans(source):
            if isinstance(span, Problem):
                yield span
            elif is_call(span.said):
                yield _draft(span)


def is_call(said: Mapping[str, Any]) -> bool:
    """Whether a span is one call to a model, rather than something around calls."""
    operation, kind = said.get("gen_ai.operation.name"), said.get("openinference.span.kind")
    if operation is not None:
        return str(operation) in _CALLS
    if kind is not None:
        return str(kind).upper() in _KINDS
    if "traceloop.span.kind" in said:
        return False
    return first(said, _MODEL + _SERVED) is not None and first(said, _PROVIDER) is not None


def is_error(span: Mapping[str, Any]) -> bool:
    """Whether its status says so, by name or number."""
    return str(mapping(span.get("status")).get("code", "")) in _RESPONSE_WAS_ERROR


def reads(name: str, value: Any) -> bool:
    """Whether a span's attribute can reach the ledger. None that may hold a prompt does."""
    if name in _READ:
        return True
    label = name.startswith(_ASSOCIATED) or not name.startswith(_NOT_TAGS)
    return label and not _is_our_fact(name) and isinstance(value, str)


def reads_of_resource(name: str) -> bool:
    return name.startswith("farthing.") or name in _ENVIRONMENT or name == "service.name"


def attributes(listed: Any, prefix: str = "") -> dict[str, Any]:
    """OTLP's key and AnyValue pairs as one flat mapping; nested ones joined with dots."""
    flat: dict[str, Any] = {}
    for pair in items(listed):
        name, value = f"{prefix}{mapping(pair).get('key')}", mapping(mapping(pair).get("value"))
        nested = first(value, ("kvlistValue", "kvlist_value"))
        if nested is not None:
            flat.update(attributes(mapping(nested).get("values"), f"{name}."))
        else:
            flat[name] = _plain(value)
    return flat


def _spans(source: Source) -> Iterator[Span | Problem]:
    number = 0
    for record in json_records(source):
        if isinstance(record, Problem):
            yield record
            continue
        listed = first(record.fields, ("resourceSpans", "resource_spans"))
        if listed is None:
            yield Problem(record.line, "resourceSpans", "is missing; only traces are read")
            continue
        for span, resource in spans_in(listed):
            number += 1
            line = number if record.numbered else record.line
            yield Span(line, span, attributes(span.get("attributes")), resource)


def spans_in(listed: Any) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Each span of a document's resourceSpans, with its resource's attributes."""
    for one in items(listed):
        group = mapping(one)
        resource = attributes(mapping(group.get("resource")).get("attributes"))
        # Before OTLP 0.19 a scope was called an instrumentation library.
        scopes = first(group, ("scopeSpans", "scope_spans", "instrumentationLibrarySpans"))
        for scope in items(scopes):
            for span in items(mapping(scope).get("spans")):
                yield mapping(span), resource


def _draft(span: Span) -> Draft:
    said = span.said
    labels = _labels(span)
    scope = take_scope(labels, environment=text(first(span.resource, _ENVIRONMENT)))
    provider = provider_name(first(said, _PROVIDER))
    cost = first(said, _COST)
    own = provider == "openrouter" and _currency(said) == "usd"
    ours = text(said.get(_OUR_COST))
    long_writes = count(said.get(_OUR_LONG_WRITES))
    operation = text(said.get("gen_ai.operation.name"))
    served = text(first(said, _SERVED))
    return Draft(
        line=span.line,
        time=_time(span, "start"),
        provider=provider,
        account=text(said.get("farthing.account")),
        operation=_OPERATIONS.get(operation, operation) if operation else _kind(said),
        model=text(first(said, _MODEL)) or served,
        model_served=served,
        response_id=text(said.get("gen_ai.response.id")),
        source_id=_our_id(said) or _span_id(span),
        input_total=first(said, _INPUT),
        cache_read=first(said, _CACHE_READ),
        cache_write_short=_less(first(said, _CACHE_WRITE), long_writes),
        cache_write_long=long_writes,
        output_total=first(said, _OUTPUT),
        reasoning=first(said, _REASONING),
        details=whole(
            {
                "input_audio_tokens": first(said, _AUDIO_IN),
                "output_audio_tokens": first(said, _AUDIO_OUT),
            }
        ),
        context=_context(said),
        reported_usd=ours or (cost if own else None),
        status=_status(span),
        latency_ms=_latency(span),
        ttft_ms=_first_token(said),
        session_id=text(first(said, _SESSION)),
        trace_id=hexadecimal(first(span.fields, ("traceId", "trace_id"))),
        template_id=text(said.get("gen_ai.prompt.name")),
        tags=bounded(_own_tags(span, None if own or ours else cost), labels),
        **scope,
    )


def _plain(value: Mapping[str, Any]) -> Any:
    """The one value of an AnyValue; int64 may come as text."""
    for name, said in value.items():
        kind = name.removesuffix("Value").removesuffix("_value")
        if kind == "int":
            return count(said) if count(said) is not None else said
        if kind in {"string", "double", "bool"}:
            return said
        if kind == "array":
            return [_plain(mapping(item)) for item in items(mapping(said).get("values"))]
    return None


def _labels(span: Span) -> dict[str, str]:
    """The texts that are neither conventions' nor prompts: the user's own attributes."""
    said = {
        name.removeprefix(_ASSOCIATED).removeprefix(_OUR_TAG): value
        for name, value in span.said.items()
        if name not in _SESSION + _USER
        and not _is_our_fact(name)
        and (name.startswith(_ASSOCIATED) or not name.startswith(_NOT_TAGS))
    }
    ours = {name: value for name, value in span.resource.items() if name.startswith("farthing.")}
    texts = {name: value for name, value in {**ours, **said}.items() if isinstance(value, str)}
    return tags_of(texts)


def _is_our_fact(name: str) -> bool:
    return name in _OUR_FACTS or name.startswith(_OUR_CONTEXT)


def _our_id(said: Mapping[str, Any]) -> str | None:
    """Of a span that a gateway exported: its row's key, so that its own ledger knows it."""
    call, attempt = text(said.get("farthing.request_id")), count(said.get("farthing.attempt"))
    return f"farthing/{call}/{attempt}" if call and attempt else None


def _less(total: Any, part: int | None) -> Any:
    whole_count = count(total)
    return total if whole_count is None or not part else max(0, whole_count - part)


def _own_tags(span: Span, cost: Any) -> dict[str, str | None]:
    currency = _currency(span.said)
    return {
        f"source_cost_{currency}": text(cost),
        "service": text(span.resource.get("service.name")),
        "user": text(first(span.said, _USER)),
        "agent": text(span.said.get("gen_ai.agent.name")),
        "agent_id": text(span.said.get("gen_ai.agent.id")),
    }


def _currency(said: Mapping[str, Any]) -> str:
    return (text(first(said, _CURRENCY)) or "usd").lower()


def _context(said: Mapping[str, Any]) -> dict[str, str] | None:
    tier = text(first(said, _TIER))
    return {"service_tier": tier} if tier else None


def _kind(said: Mapping[str, Any]) -> str | None:
    kind = str(first(said, ("openinference.span.kind", "llm.request.type"))).lower()
    return {"llm": "chat", "chat": "chat"}.get(kind) or _OPERATIONS.get(kind)


def _status(span: Span) -> str:
    return "error" if is_error(span.fields) or span.said.get("error.type") else "ok"


def _time(span: Span, which: str) -> Any:
    said = first(span.fields, (f"{which}TimeUnixNano", f"{which}_time_unix_nano"))
    return None if str(said) == "0" else from_nanoseconds(said)


def _latency(span: Span) -> int | None:
    start = count(first(span.fields, ("startTimeUnixNano", "start_time_unix_nano")))
    end = count(first(span.fields, ("endTimeUnixNano", "end_time_unix_nano")))
    return (end - start) // 10**6 if start and end else None


def _first_token(said: Mapping[str, Any]) -> int | None:
    seconds = said.get("gen_ai.response.time_to_first_chunk")
    return int(seconds * 1000) if isinstance(seconds, int | Decimal) else None


def _span_id(span: Span) -> str | None:
    trace = hexadecimal(first(span.fields, ("traceId", "trace_id")))
    own = hexadecimal(first(span.fields, ("spanId", "span_id")))
    return f"{trace}/{own}" if trace and own else own


def hexadecimal(said: Any) -> str | None:
    """An id in hexadecimal; protobuf's own JSON writes it in base64."""
    if not isinstance(said, str) or not said.endswith("="):
        return text(said)
    try:
        return base64.b64decode(said, validate=True).hex()
    except binascii.Error:
        return said


IMPORTER = Otlp()
