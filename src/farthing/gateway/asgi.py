"""The gateway as a bare ASGI callable: from a request's bytes to a call in flight and back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from farthing.domain.errors import FarthingError, Unavailable
from farthing.gateway import models
from farthing.gateway.exchange import Exchange, Receive, Refusing, Send
from farthing.gateway.live import Live
from farthing.gateway.pipeline import Rest
from farthing.gateway.reply import Reply
from farthing.gateway.rows import free_row
from farthing.providers import paths
from farthing.providers.protocol import Protocol, Refusal
from farthing.providers.transport.wire import Headers

_log = logging.getLogger(__name__)

BODY_SECONDS = 60.0  # for all of a request's body
MOST_HEADERS, MOST_HEADER_BYTES = 256, 64 << 10
STALLED_SECONDS = 60.0  # that a caller may take to read what it asked for
LOOK_SECONDS = 0.1  # how often calls that take long are looked after

Page = Callable[[], tuple[int, list[tuple[bytes, bytes]], bytes]]


class Gateway:
    """`line` is the joined pipeline; `pages` what is answered without a key (health, metrics)."""

    def __init__(
        self,
        live: Live,
        line: Rest,
        protocols: Mapping[str, Protocol],
        pages: Mapping[str, Page],
        most_bytes: int,
    ) -> None:
        self._live, self._line, self._protocols = live, line, protocols
        self._pages, self._most_bytes = pages, most_bytes
        self._calls: dict[Exchange, Receive] = {}
        self._watched: dict[Exchange, asyncio.Task[None]] = {}
        self._clock: asyncio.TimerHandle | None = None

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        page = self._pages.get(scope["path"])
        if page is not None and scope["method"] in {"GET", "HEAD"}:
            status, headers, body = page()
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            return
        await self._call(scope, receive, send)

    async def _call(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        inbound = paths.find(scope["method"], scope["path"])
        x = self._arrived(scope, receive, send, inbound)
        try:
            if self._live.draining:
                raise Refusing(503, "draining", "The gateway is shutting down.", retry=True)
            _bound_headers(x.headers)
            if inbound.refusal is not None:
                raise _refusing(inbound.refusal)
            if inbound.protocol == paths.MODELS:
                await models.answer(x, self._live, inbound.model)
            else:
                await self._along(x, receive)
        except Refusing as error:
            await self._refuse(x, error)
        except Unavailable as error:
            _log.error("%s", error)  # its words name our files: not for callers
            text = "The gateway cannot serve this call now. Try again."
            await self._refuse(x, Refusing(503, error.code, text, retry=True))
        except FarthingError as error:
            await self._refuse(x, Refusing(500, error.code, str(error)))
        finally:
            self._live.counters.ended(x)
            del x.reply  # it knows the call, too: a circle that only the collector would break

    def _arrived(
        self,
        scope: MutableMapping[str, Any],
        receive: Receive,
        send: Send,
        inbound: paths.Inbound,
    ) -> Exchange:
        shape = inbound.protocol if inbound.protocol != paths.MODELS else "openai_chat"
        now, started = self._live.now(), asyncio.get_running_loop().time()
        headers, events = scope["headers"], False
        if query := scope.get("query_string"):
            headers = [*headers, *_key_in(query)]
            events = b"alt=sse" in query
        x = Exchange(self._live.ids.new(now), now, started, headers, self._protocols[shape])
        x.path_model, x.path_stream = inbound.model, inbound.stream
        x.events = events
        x.read_body = _Body(receive, headers, self._most_bytes)
        x.reply = Reply(send, x)
        return x

    async def _along(self, x: Exchange, receive: Receive) -> None:
        """Through the line, looked after while it takes long."""
        counters = self._live.counters
        self._calls[x], x.task = receive, asyncio.current_task()
        counters.in_flight += 1
        if self._clock is None:
            self._look_later()
        try:
            await self._line(x)
        finally:
            counters.in_flight -= 1
            del self._calls[x]
            if (watch := self._watched.pop(x, None)) is not None:
                watch.cancel()

    async def _refuse(self, x: Exchange, error: Refusing) -> None:
        refusal = error.refusal
        self._live.counters.refusals[refusal.code] += 1
        x.attempt = None
        if x.asked and not x.booked:
            ended = asyncio.get_running_loop().time()
            self._live.ledger.settle(free_row(x, "refused", ended, reason=refusal.code))
        if not x.reply.started:
            await x.reply.refuse(refusal, error.after)

    def _look_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._clock = loop.call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        """Watch for the hang-up of callers who wait for long; a quick answer needs no watch."""
        self._clock = None
        now = asyncio.get_running_loop().time()
        before = now - LOOK_SECONDS
        for x, receive in self._calls.items():
            if x.stalled_at is not None and now > x.stalled_at + STALLED_SECONDS and x.task:
                x.task.cancel()  # settles as cancelled; the connection closes
            if x.started <= before and x not in self._watched and x.asked:
                self._watched[x] = asyncio.create_task(_until_gone(x, receive))
        if self._calls:
            self._look_later()


async def _until_gone(x: Exchange, receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    x.hung_up, x.left_at = True, asyncio.get_running_loop().time()


class _Body:
    """Reads a request's body: all of it, within bounds of size and time."""

    __slots__ = ("_headers", "_most", "_receive")

    def __init__(self, receive: Receive, headers: list[tuple[bytes, bytes]], most: int) -> None:
        self._receive, self._headers, self._most = receive, headers, most

    async def __call__(self) -> bytes:
        for name, value in self._headers:
            if name == b"content-length" and value.isdigit() and int(value) > self._most:
                raise self._too_large()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                message = await self._receive()
                body: bytes = message.get("body", b"")
                if not message.get("more_body"):
                    return self._bounded(body, message)
                return await self._rest(body)
        except TimeoutError:
            raise Refusing(
                408,
                "slow_body",
                f"The body did not come within {BODY_SECONDS:g} seconds.",
                retry=True,
            ) from None

    async def _rest(self, first: bytes) -> bytes:
        parts, size = [first], len(first)
        while True:
            message = await self._receive()
            part = message.get("body", b"")
            size += len(part)
            if size > self._most:
                raise self._too_large()
            parts.append(part)
            if not message.get("more_body"):
                return self._bounded(b"".join(parts), message)

    def _bounded(self, body: bytes, message: MutableMapping[str, Any]) -> bytes:
        if message["type"] == "http.disconnect":
            raise Refusing(400, "bad_request", "The body broke off.")
        if len(body) > self._most:
            raise self._too_large()
        return body

    def _too_large(self) -> Refusing:
        return Refusing(
            413, "body_too_large",
            f"A body may have {self._most >> 20} MiB. Send less, or raise [gateway] max_body_mb.",
        )  # fmt: skip


def _bound_headers(headers: Headers) -> None:
    size = sum([len(name) + len(value) for name, value in headers])
    if len(headers) > MOST_HEADERS or size > MOST_HEADER_BYTES:
        raise Refusing(
            431, "headers_too_large",
            f"A call has at most {MOST_HEADERS} headers of {MOST_HEADER_BYTES >> 10} KiB together.",
        )  # fmt: skip


def _key_in(query: bytes) -> list[tuple[bytes, bytes]]:
    """Google's clients may put the key into the address."""
    found = parse_qs(query.decode("latin-1")).get("key")
    return [(b"x-goog-api-key", found[0].encode("utf-8", "replace"))] if found else []


def _refusing(refusal: Refusal) -> Refusing:
    return Refusing(refusal.status, refusal.code, refusal.message, retry=refusal.retry)
