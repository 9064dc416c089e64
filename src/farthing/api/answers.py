"""Answers of the back office in JSON, errors too: `{"error": {"code", "message"}}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from farthing.domain.errors import FarthingError

JSON = "application/json"
RETRY_SECONDS = 5

_CODES = {404: "not_found", 405: "method_not_allowed"}
_SAID = {
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
}


def answer(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type=JSON)


def refusal(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    """`Retry-After` where trying again may help."""
    body = msgspec.json.encode({"error": {"code": code, "message": message}})
    given = {"retry-after": str(RETRY_SECONDS)} if status in {429, 503} else {}
    return Response(body, status, headers={**given, **(headers or {})}, media_type=JSON)


async def of_farthing(request: Request, error: Exception) -> Response:
    assert isinstance(error, FarthingError)
    return refusal(error.status, error.code, str(error))


async def of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = error.status_code
    said = _SAID.get(status, error.detail)
    return refusal(status, _CODES.get(status, "bad_request"), said, error.headers)


async def of_defect(request: Request, error: Exception) -> Response:
    """The caller learns that it was us; the server logs what it was."""
    return refusal(500, "defect", "A defect in farthing. The log of the back office says more.")
