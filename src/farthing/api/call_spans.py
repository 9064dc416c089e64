"""Write rows of the gateway as OpenTelemetry spans: a call, and each of its attempts below it.

Names are those of the semantic conventions for GenAI clients, on attempts alone: backends that
add up tokens and cost count each once. What the conventions have no name for is `farthing.…`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import msgspec
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from farthing.domain.call import Traced, fault_of
from farthing.domain.money import Money
from farthing.domain.scope import SCOPE
from farthing.domain.trace import span_id

if TYPE_CHECKING:
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource
    from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans

Value = str | int | float | bool | None
Place = tuple[str, int]  # a provider's host and port

# OpenTelemetry's well-known values of gen_ai.provider.name, where ours differ.
_PROVIDERS: Final = {
    "aws": "aws.bedrock",
    "azure": "azure.ai.openai",
    "google": "gcp.gemini",
    "mistral": "mistral_ai",
    "x-ai": "x_ai",
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_OUR_CONTEXT, _REMOTE = 0x100, 0x300  # of Span.flags: whether the parent is another process's


class Surroundings(msgspec.Struct, frozen=True):
    """What rows do not say: where each (provider, account) is, and the tenant of a key."""

    places: Mapping[tuple[str, str | None], Place] = {}
    tenants: Mapping[str, str] = {}


def describe(resource: Resource) -> None:
    """Who sends these spans."""
    _add(resource.attributes, {"service.name": "farthing", "service.version": version("farthing")})


def attempt(into: ScopeSpans, row: Traced, around: Surroundings) -> None:
    """One try at one provider: a CLIENT span with tokens and cost."""
    operation = row.operation or "count_tokens"
    span = _span(into, row, f"{operation} {row.model or ''}".rstrip(), Span.SPAN_KIND_CLIENT)
    span.span_id = bytes.fromhex(span_id(row.id, row.attempt))
    span.parent_span_id = bytes.fromhex(span_id(row.id, 0))
    span.flags |= _OUR_CONTEXT
    span.start_time_unix_nano = _nanoseconds(row.time, row.sent_ms or 0)
    span.end_time_unix_nano = _nanoseconds(row.time, max(row.latency_ms or 0, row.sent_ms or 0))
    host, port = around.places.get((row.provider or "", row.account), (None, None))
    provider = _PROVIDERS.get(row.provider or "", row.provider)
    fault = _fault(row)
    _add(
        span.attributes,
        {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": provider,
            "gen_ai.system": provider,  # its name before 2025, which older backends read
            "gen_ai.request.model": row.model,
            "gen_ai.response.model": None if fault and not row.response_id else row.model_served,
            "gen_ai.response.id": row.response_id,
            "gen_ai.conversation.id": row.session_id,
            "gen_ai.response.time_to_first_chunk": _first_chunk(row),
            **_tokens(row),
            **_context(row),
            "server.address": host,
            "server.port": port,
            "error.type": fault,
            "farthing.attempt": row.attempt,
            **_cost(row),
            "farthing.cache": row.cache,
            "farthing.clamped": "clamped" in (row.flags or "").split(",") or None,
            "farthing.flags": row.flags,
            **_who(row, around),
        },
    )
    if fault:
        span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message=fault))


def call(into: ScopeSpans, rows: list[Traced], around: Surroundings) -> None:
    """A whole call, from its caller's side: a SERVER span that counts no tokens."""
    last = rows[-1]
    span = _span(into, last, f"gateway {last.operation or 'count_tokens'}", Span.SPAN_KIND_SERVER)
    span.span_id = bytes.fromhex(span_id(last.id, 0))
    if last.parent_span:
        span.parent_span_id = bytes.fromhex(last.parent_span[:16])
    span.flags |= _REMOTE if last.parent_span else _OUR_CONTEXT
    span.start_time_unix_nano = _nanoseconds(last.time, 0)
    span.end_time_unix_nano = max(_nanoseconds(each.time, each.latency_ms or 0) for each in rows)
    refusal = last.reason if last.status == "refused" else None
    fault = _fault(last)
    cost = _sum(each.effective_usd for each in rows)
    saved = last.counterfactual_usd
    _add(
        span.attributes,
        {
            "farthing.call.operation": last.operation,
            "farthing.call.model": last.model,
            "farthing.call.attempts": sum(each.attempt > 0 for each in rows),
            "farthing.call.status": last.status,
            "farthing.call.cost_usd": _double(cost),
            "farthing.call.cost_usd_exact": _text(cost),
            "farthing.call.saved_usd": _double(saved),
            "farthing.call.saved_usd_exact": _text(saved),
            "farthing.call.saved_by": None if refusal else last.reason,
            "farthing.call.refusal": refusal,
            "farthing.cache": last.cache,
            "session.id": last.session_id,
            "error.type": refusal or fault,
            **_who(last, around),
        },
    )
    if fault:
        span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message=fault))


def _span(into: ScopeSpans, row: Traced, name: str, kind: Span.SpanKind.ValueType) -> Span:
    span: Span = into.spans.add(name=name, kind=kind, trace_id=_trace_id(row))
    span.flags = int(row.parent_span[-2:], 16) if row.parent_span else 1
    if row.trace_state:
        span.trace_state = row.trace_state
    return span


def _trace_id(row: Traced) -> bytes:
    try:
        return bytes.fromhex(row.trace_id or row.id)
    except ValueError:  # a header that was taken before it was checked
        return bytes.fromhex(row.id)


def _who(row: Traced, around: Surroundings) -> dict[str, Value]:
    """Whose call it is, and what was in force."""
    tags: dict[str, str] = msgspec.json.decode(row.tags) if row.tags else {}
    return {
        "farthing.request_id": row.id,
        "farthing.tenant": around.tenants.get(row.key or ""),
        **{f"farthing.{name}": getattr(row, name) for name in SCOPE},
        "farthing.account": row.account,
        "user.id": tags.pop("user", None),
        **{f"farthing.tag.{name}": said for name, said in tags.items()},
        "farthing.policy_version": row.policy_version,
        "farthing.arm": row.arm,
    }


def _tokens(row: Traced) -> dict[str, Value]:
    """Totals include their parts, as the conventions want it."""
    written = row.cache_write_short + row.cache_write_long
    return {
        "gen_ai.usage.input_tokens": row.input_fresh + row.cache_read + written,
        "gen_ai.usage.output_tokens": row.output_visible + row.reasoning,
        "gen_ai.usage.cache_read.input_tokens": row.cache_read or None,
        "gen_ai.usage.cache_creation.input_tokens": written or None,
        "gen_ai.usage.reasoning.output_tokens": row.reasoning or None,
        "farthing.usage.cache_write_long_tokens": row.cache_write_long or None,
    }


def _context(row: Traced) -> dict[str, Value]:
    """What changed the price, such as the service tier."""
    said: dict[str, str] = msgspec.json.decode(row.context) if row.context else {}
    tier = said.pop("service_tier", None)
    return {
        "openai.response.service_tier": tier,
        **{f"farthing.context.{name}": value for name, value in said.items()},
    }


def _cost(row: Traced) -> dict[str, Value]:
    """As a double, to draw, and as a decimal text, to add up. None: nobody knows the price."""
    return {
        "gen_ai.usage.cost": _double(row.effective_usd),  # where many backends look for it
        "farthing.cost_usd": _double(row.effective_usd),
        "farthing.cost_usd_exact": _text(row.effective_usd),
        "farthing.list_usd": _double(row.list_usd),
        "farthing.reported_usd": _double(row.reported_usd),
    }


def _fault(row: Traced) -> str | None:
    if row.status == "recovered":
        return "outcome_unknown"
    return fault_of((row.flags or "").split(",")) if row.status == "error" else None


def _first_chunk(row: Traced) -> float | None:
    return None if row.ttft_ms is None else max(0, row.ttft_ms - (row.sent_ms or 0)) / 1000


def _nanoseconds(began: datetime, after_ms: int) -> int:
    return (began - _EPOCH) // _MICROSECOND * 1000 + after_ms * 1_000_000


def _sum(amounts: Iterable[Money | None]) -> Money | None:
    known = [each for each in amounts if each is not None]
    return Money(sum(each.pico for each in known)) if known else None


def _double(amount: Money | None) -> float | None:
    return None if amount is None else float(Decimal(str(amount)))


def _text(amount: Money | None) -> str | None:
    return None if amount is None else str(amount)


_FIELDS: Final = {str: "string_value", bool: "bool_value", int: "int_value", float: "double_value"}


def _add(into: Any, said: Mapping[str, Value]) -> None:
    for name, value in said.items():
        if value is not None and value != "":
            pair = KeyValue(key=name)
            setattr(pair.value, _FIELDS[type(value)], value)
            into.append(pair)
