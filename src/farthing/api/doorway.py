"""What every request to the back office passes: it names this host, and comes from no other site.

A page of another origin can make a browser send requests here, by its own name for this address
too (DNS rebinding). So `Host` has to be one of ours, and what changes something must not come
with a foreign `Origin`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from farthing.api.answers import refusal

LOOPBACK = ("localhost", "127.0.0.1", "::1")
_EVERYWHERE = {"0.0.0.0", "::", ""}  # where we listen, not what anybody calls us
_READING = {"GET", "HEAD"}
_QUIET = {"/healthz", "/readyz", "/metrics"}  # asked again and again
_SECURITY = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_FAILED = 500
_log = logging.getLogger(__name__)


class Doorway:
    """Around the whole app. `hosts` are the names that this office goes by, without ports."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = {each.lower().strip("[]") for each in (*LOOPBACK, *hosts)} - _EVERYWHERE

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 0

        async def marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _SECURITY.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            refused = self._refused(scope["method"], Headers(scope=scope))
            await (refused or self._app)(scope, receive, marked)
        finally:
            if scope["path"] not in _QUIET or status >= _FAILED:
                _log.info("request", extra=_about(scope, status, time.monotonic() - began))

    def _refused(self, method: str, headers: Headers) -> Response | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or _name(hosts[0]) not in self._hosts:
            return refusal(
                400, "host_not_allowed",
                "The back office does not go by this name. Add it to [office] allowed_hosts.",
            )  # fmt: skip
        if method not in _READING and _is_foreign(headers, hosts[0]):
            return refusal(403, "cross_origin", "Another site's page may not change anything here.")
        return None


def _is_foreign(headers: Headers, host: str) -> bool:
    origins = headers.getlist("origin")
    if origins:
        return any(origin.partition("://")[2].lower() != host.lower() for origin in origins)
    return headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}


def _name(host: str) -> str:
    """The name of `name:port` or `[address]:port`."""
    host = host.lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _about(scope: Scope, status: int, seconds: float) -> dict[str, object]:
    """What a log may say of a request: no header, no query, no body."""
    return {
        "method": scope["method"],
        "path": scope["path"],
        "status": status,
        "milliseconds": round(seconds * 1000, 1),
    }
