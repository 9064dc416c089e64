"""A refusal in each vendor's own error shape, so that its clients understand it."""

from __future__ import annotations

import msgspec

from farthing.providers.protocol import Refusal

_OPENAI = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_ANTHROPIC = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
_GOOGLE = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    422: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
_SERVER = 500


def openai(refusal: Refusal) -> bytes:
    other = "server_error" if refusal.status >= _SERVER else "invalid_request_error"
    kind = _OPENAI.get(refusal.status, other)
    if refusal.code == "budget_exhausted":
        kind = "insufficient_quota"
    error = {"message": refusal.message, "type": kind, "param": None, "code": refusal.code}
    return msgspec.json.encode({"error": error})


def openai_event(refusal: Refusal) -> bytes:
    """How a stream of chat or completions ends with an error; no [DONE] follows."""
    return b"data: %b\n\n" % openai(refusal)


def responses_event(refusal: Refusal) -> bytes:
    error = {
        "type": "error",
        "code": refusal.code,
        "message": refusal.message,
        "param": None,
        "sequence_number": 0,
    }
    return b"event: error\ndata: %b\n\n" % msgspec.json.encode(error)


def anthropic(refusal: Refusal) -> bytes:
    other = "api_error" if refusal.status >= _SERVER else "invalid_request_error"
    error = {
        "type": _ANTHROPIC.get(refusal.status, other),
        "message": refusal.message,
        "code": refusal.code,
    }
    return msgspec.json.encode({"type": "error", "error": error})


def anthropic_event(refusal: Refusal) -> bytes:
    return b"event: error\ndata: %b\n\n" % anthropic(refusal)


def google(refusal: Refusal) -> bytes:
    other = "INTERNAL" if refusal.status >= _SERVER else "INVALID_ARGUMENT"
    error = {
        "code": refusal.status,
        "message": refusal.message,
        "status": _GOOGLE.get(refusal.status, other),
        "details": [{"@type": _ERROR_INFO, "reason": refusal.code, "domain": "farthing"}],
    }
    return msgspec.json.encode({"error": error})


def google_event(refusal: Refusal) -> bytes:
    return b"data: %b\n\n" % google(refusal)
