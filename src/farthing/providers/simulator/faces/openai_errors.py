"""How OpenAI says no."""

from __future__ import annotations

import msgspec

from farthing.providers.simulator.script import Declined

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_SERVER_ERROR = 500


def error(declined: Declined, request_id: str) -> bytes:
    """Source: the error object of the API reference."""
    status = declined.answer_status
    usual = "server_error" if status >= _SERVER_ERROR else "invalid_request_error"
    told = {
        "message": declined.message,
        "type": _TYPES.get(status, usual),
        "param": declined.param,
        "code": declined.answer_code,
    }
    return msgspec.json.encode({"error": told})
