"""Spans of model calls out of an OTLP document, cut down to what the ledger reads.

Prompts, answers, events and the spans around calls never reach the disk. What is left is written
as OTLP/JSON, a span a line, which is what the importer takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Any

import msgspec

from farthing.access.keys import Key
from farthing.domain.errors import Refused
from farthing.ledger.draft import Problem
from farthing.ledger.fields import first, text
from farthing.ledger.importers import otlp

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue
    from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan

LONGEST_LABEL = 1_000  # a longer text is no label, whatever it is called
_TRACE_DIGITS, _SPAN_DIGITS = 32, 16
_DIGITS = frozenset("0123456789abcdef")
_JSON: msgspec.json.Decoder[Any] = msgspec.json.Decoder(float_hook=Decimal)
_LINE = msgspec.json.Encoder(decimal_format="number")

Attributes = Mapping[str, Any]


class Garbage(Refused):
    """What came is no traces document."""

    code = "bad_request"


@dataclass(frozen=True, slots=True)
class Span:
    """One call to a model. Times are nanoseconds since 1970, ids hexadecimal."""

    trace_id: str
    span_id: str
    began: str | None
    ended: str | None
    failed: bool
    said: Attributes
    resource: Attributes

    @property
    def fault(self) -> Problem | None:
        """Why it cannot be told from other spans: sent twice, it would count twice."""
        if not _is_id(self.trace_id, _TRACE_DIGITS):
            return Problem(0, "traceId", "is not 16 bytes that are not all 0")
        if not _is_id(self.span_id, _SPAN_DIGITS):
            return Problem(0, "spanId", "is not 8 bytes that are not all 0")
        return None


def from_json(body: bytes) -> Iterator[Span]:
    """The model calls in an ExportTraceServiceRequest as JSON. Raises Garbage."""
    try:
        document = _JSON.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Garbage(f"The body is not JSON: {error}.") from error
    listed = first(document, ("resourceSpans", "resource_spans")) if _is_object(document) else None
    if not isinstance(listed, list) and document != {}:
        raise Garbage("The body has no resourceSpans. Send an ExportTraceServiceRequest.")
    for span, resource in otlp.spans_in(listed):
        said = otlp.attributes(span.get("attributes"))
        if otlp.is_call(said):
            yield Span(
                _id(first(span, ("traceId", "trace_id"))),
                _id(first(span, ("spanId", "span_id"))),
                text(first(span, ("startTimeUnixNano", "start_time_unix_nano"))),
                text(first(span, ("endTimeUnixNano", "end_time_unix_nano"))),
                otlp.is_error(span),
                _read(said),
                _read_of_resource(resource),
            )


def from_protobuf(body: bytes) -> Iterator[Span]:
    """The same out of protobuf. Raises Garbage."""
    from google.protobuf.message import (  # type: ignore[import-untyped]  # ships no types
        DecodeError,
    )
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise Garbage("The body is not an ExportTraceServiceRequest in protobuf.") from error
    if body and not request.resource_spans:
        raise Garbage("The body has no resource_spans. Send an ExportTraceServiceRequest.")
    for group in request.resource_spans:
        resource = _read_of_resource(_attributes(group.resource.attributes))
        for scope in group.scope_spans:
            for span in scope.spans:
                said = _attributes(span.attributes)
                if otlp.is_call(said):
                    yield _of_protobuf(span, said, resource)


def line(span: Span, key: Key | None = None) -> bytes:
    """A document of this span alone. Scope and tags that it leaves open are the key's."""
    filled = {**_open(span, key), **span.said} if key else span.said
    one = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "startTimeUnixNano": span.began,
        "endTimeUnixNano": span.ended,
        "status": {"code": 2 if span.failed else 0},
        "attributes": _pairs(filled),
    }
    resource = {"attributes": _pairs(span.resource)}
    document = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [one]}]}]}
    return _LINE.encode(document) + b"\n"


def _of_protobuf(span: ProtoSpan, said: Attributes, resource: Attributes) -> Span:
    return Span(
        span.trace_id.hex(),
        span.span_id.hex(),
        str(span.start_time_unix_nano),
        str(span.end_time_unix_nano),
        span.status.code == span.status.STATUS_CODE_ERROR,
        _read(said),
        resource,
    )


def _open(span: Span, key: Key) -> dict[str, str]:
    """What the key says and neither the span nor its resource does."""
    said = {name.removeprefix("farthing.") for name in (*span.said, *span.resource)}
    said |= {name.replace("-", "_") for name in said}
    if any(name.startswith("deployment.environment") for name in span.resource):
        said.add("environment")
    given = {f"farthing.{name}": value for name, value in key.scope.items() if name not in said}
    return {**given, **{name: value for name, value in key.tags.items() if name not in said}}


def _read(said: Attributes) -> dict[str, Any]:
    kept = {name: value for name, value in said.items() if otlp.reads(name, value)}
    return {name: value for name, value in kept.items() if _is_short(value)}


def _read_of_resource(said: Attributes) -> dict[str, Any]:
    kept = {name: value for name, value in said.items() if otlp.reads_of_resource(name)}
    return {name: value for name, value in kept.items() if _is_short(value)}


def _is_short(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST_LABEL
    return isinstance(value, bool | int | Decimal)


def _attributes(pairs: Any, prefix: str = "") -> dict[str, Any]:
    """As `otlp.attributes` has them, nested ones joined with dots."""
    flat: dict[str, Any] = {}
    for pair in pairs:
        name = prefix + pair.key
        if pair.value.HasField("kvlist_value"):
            flat.update(_attributes(pair.value.kvlist_value.values, f"{name}."))
        else:
            flat[name] = _plain(pair.value)
    return flat


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "double_value":
        number = value.double_value
        return Decimal(repr(number)) if isfinite(number) else None
    return getattr(value, kind) if kind in {"string_value", "bool_value", "int_value"} else None


def _pairs(said: Attributes) -> list[dict[str, Any]]:
    return [{"key": name, "value": _any_value(value)} for name, value in said.items()]


def _any_value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"doubleValue" if isinstance(value, Decimal) else "stringValue": value}


def _id(said: Any) -> str:
    """Hexadecimal, or base64 as protobuf's own JSON has it; digits in one case."""
    return (otlp.hexadecimal(said) or "").lower()


def _is_id(said: str, digits: int) -> bool:
    return len(said) == digits and _DIGITS.issuperset(said) and set(said) != {"0"}


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)
