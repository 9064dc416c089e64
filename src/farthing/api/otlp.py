"""The answers of an OTLP receiver, each in the encoding of its request."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import Response

from farthing.api import answers
from farthing.domain.errors import FarthingError
from farthing.ledger.draft import Problem

PROTOBUF = "application/x-protobuf"
_TOLD = 3  # reasons that an answer quotes
_UNAUTHORIZED = 401
_MESSAGE_FIELD = b"\x12"  # of google.rpc.Status: number 2, a text
_SEVEN_BITS = 0x7F


def accepted(kind: str, rejected: Sequence[Problem]) -> Response:
    """An ExportTraceServiceResponse: all of it taken, or all but these spans."""
    reasons = dict.fromkeys(f"{each.field}: {each.reason}" for each in rejected)
    said = "Put aside, not to be sent again: " + "; ".join([*reasons][:_TOLD])
    if kind == PROTOBUF:
        return Response(_response(len(rejected), said), media_type=PROTOBUF)
    told = {"rejectedSpans": str(len(rejected)), "errorMessage": said}
    return answers.answer({"partialSuccess": told} if rejected else {})


def refused(kind: str, error: FarthingError) -> Response:
    """JSON as everywhere; in protobuf a google.rpc.Status with the message, as OTLP wants it."""
    answered = answers.refusal(error.status, error.code, str(error))
    if kind == PROTOBUF:
        headers = {k: v for k, v in answered.headers.items() if k == "retry-after"}
        answered = Response(_status(str(error)), error.status, headers, PROTOBUF)
    if error.status == _UNAUTHORIZED:
        answered.headers["www-authenticate"] = "Bearer"
    return answered


def _response(rejected: int, said: str) -> bytes:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
        ExportTracePartialSuccess,
        ExportTraceServiceResponse,
    )

    response = ExportTraceServiceResponse()
    if rejected:
        partial = ExportTracePartialSuccess(rejected_spans=rejected, error_message=said)
        response.partial_success.CopyFrom(partial)
    return bytes(response.SerializeToString())


def _status(message: str) -> bytes:
    """Written by hand: the generated type is in a package that nothing else needs."""
    text = message.encode()
    return _MESSAGE_FIELD + _varint(len(text)) + text


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > _SEVEN_BITS:
        parts.append(number & _SEVEN_BITS | _SEVEN_BITS + 1)
        number >>= 7
    return bytes((*parts, number))
