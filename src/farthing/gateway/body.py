"""Read a request's body: all of it, within bounds of size and time."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

from farthing.gateway.exchange import Exchange, Refusing

SECONDS = 60.0  # for all of it; the gateway, which looks after slow calls, sets `x.slow`


async def read(x: Exchange, most: int) -> bytes:
    """At most so many bytes."""
    said = x.header(b"content-length")
    if said is not None and said.isdigit() and int(said) > most:
        raise _too_large(most)
    try:
        message = await x.receive()
        body: bytes = message.get("body", b"")
        if message.get("more_body"):
            return await _all(x, body, most)
    except asyncio.CancelledError:
        if not x.slow or x.task is None:
            raise
        x.task.uncancel()
        raise Refusing(
            408, "slow_body", f"The body did not come within {SECONDS:g} seconds.", retry=True
        ) from None
    return _bounded(body, message, most)


async def _all(x: Exchange, first: bytes, most: int) -> bytes:
    parts, size = [first], len(first)
    while True:
        message = await x.receive()
        part = message.get("body", b"")
        size += len(part)
        if size > most:
            raise _too_large(most)
        parts.append(part)
        if not message.get("more_body"):
            return _bounded(b"".join(parts), message, most)


def _bounded(body: bytes, message: MutableMapping[str, Any], most: int) -> bytes:
    if message["type"] == "http.disconnect":
        raise Refusing(400, "bad_request", "The body broke off.")
    if len(body) > most:
        raise _too_large(most)
    return body


def _too_large(most: int) -> Refusing:
    return Refusing(
        413, "body_too_large",
        f"A body may have {most >> 20} MiB. Send less, or raise [gateway] max_body_mb.",
    )  # fmt: skip
