"""Tell the month as an OpenTelemetry collector would have written it: spans in OTLP/JSON.

One `ExportTraceServiceRequest` a line, as the file exporter writes them, with the attribute
names of the GenAI conventions. Lines that were shipped twice come again at the end of the day,
as after an export that timed out.

Cache writes are 5-minute ones throughout: the conventions have one count for writes of every
lifetime, so spans of longer ones could not be priced like the bill.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Final

import msgspec

from farthing.demo.company import OPERATIONS
from farthing.demo.world import Attempt, World

_SPANS_A_LINE = 64
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PROVIDERS: Final = {"openai": "openai", "anthropic": "anthropic", "google": "gcp.gemini"}
_CLIENT, _ERROR = 3, 2  # SpanKind, StatusCode


def files(world: World) -> Iterator[tuple[str, bytes]]:
    """Names and contents: one file, to be compressed."""
    days = groupby(world.attempts, key=lambda attempt: attempt.day)
    lines = (line for _, attempts in days for line in _day(list(attempts)))
    yield f"spans/{world.plan.month}.jsonl.gz", b"".join(lines)


def _day(attempts: list[Attempt]) -> Iterator[bytes]:
    yield from _lines(attempts)
    yield from _lines([attempt for attempt in attempts if attempt.shipped > 1])


def _lines(attempts: Sequence[Attempt]) -> Iterator[bytes]:
    for start in range(0, len(attempts), _SPANS_A_LINE):
        yield msgspec.json.encode(_request(attempts[start : start + _SPANS_A_LINE])) + b"\n"


def _request(attempts: Sequence[Attempt]) -> dict[str, Any]:
    def resource(attempt: Attempt) -> tuple[str, str]:
        return attempt.project or "", attempt.environment or ""

    groups = groupby(sorted(attempts, key=resource), key=resource)
    return {"resourceSpans": [_resource(*whose, list(group)) for whose, group in groups]}


def _resource(project: str, environment: str, attempts: list[Attempt]) -> dict[str, Any]:
    said = {
        "service.name": project or "unknown_service",
        "deployment.environment.name": environment or None,
    }
    scope = {"name": "opentelemetry.instrumentation.genai", "version": "1.0"}
    return {
        "resource": {"attributes": _attributes(said)},
        "scopeSpans": [{"scope": scope, "spans": [_span(attempt) for attempt in attempts]}],
    }


def _span(attempt: Attempt) -> dict[str, Any]:
    operation = OPERATIONS[attempt.model.provider]
    failed = attempt.status == "error"
    return {
        "traceId": attempt.trace_id,
        "spanId": attempt.span_id,
        "name": f"{operation} {attempt.model.asked}",
        "kind": _CLIENT,
        "startTimeUnixNano": _nanoseconds(attempt.time),
        "endTimeUnixNano": _nanoseconds(attempt.time + timedelta(milliseconds=attempt.latency_ms)),
        "attributes": _attributes(_said(attempt, operation)),
        "status": {"code": _ERROR, "message": "overloaded"} if failed else {},
    }


def _said(attempt: Attempt, operation: str) -> dict[str, str | int | None]:
    asked: dict[str, str | int | None] = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": _PROVIDERS[attempt.model.provider],
        "gen_ai.request.model": attempt.model.asked,
        "gen_ai.conversation.id": attempt.session_id,
        "farthing.team": attempt.team,
        "farthing.project": attempt.project,
        "farthing.feature": attempt.feature,
        "farthing.customer": attempt.customer,
    }
    if attempt.status == "error":
        return {**asked, "error.type": "overloaded_error"}
    usage = attempt.usage
    return {
        **asked,
        "gen_ai.response.id": attempt.response_id,
        "gen_ai.response.model": attempt.model.served,
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cache_read or None,
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_short or None,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning or None,
    }


def _attributes(said: dict[str, Any]) -> list[dict[str, Any]]:
    """Protobuf's JSON writes 64-bit integers as text."""
    return [
        {
            "key": key,
            "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value},
        }
        for key, value in said.items()
        if value is not None
    ]


def _nanoseconds(moment: datetime) -> str:
    return str((moment - _EPOCH) // timedelta(microseconds=1) * 1_000)
