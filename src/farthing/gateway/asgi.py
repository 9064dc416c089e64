"""The gateway as a bare ASGI callable: from a request's bytes to a call in flight and back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, MutableMapping
from functools import partial
from typing import Any
from urllib.parse import parse_qs

from farthing.domain.errors import FarthingError, Unavailable
from farthing.gateway import body, models
from farthing.gateway.exchange import Exchange, Receive, Refusing, Send
from farthing.gateway.headers import Lists, Names
from farthing.gateway.hosts import stranger
from farthing.gateway.live import Live
from farthing.gateway.pipeline import Rest
from farthing.gateway.reply import Reply
from farthing.gateway.rows import free_line
from farthing.providers import paths
from farthing.providers.protocol import Protocol, Refusal, place_of

_log = logging.getLogger(__name__)

MOST_HEADERS, MOST_HEADER_BYTES = 256, 64 << 10
STALLED_SECONDS = 60.0  # that a caller may take to read what it asked for
LOOK_SECONDS = 0.1  # how often calls that take long are looked after

Page = Callable[[], tuple[int, list[tuple[bytes, bytes]], bytes]]
_READS = frozenset({"GET", "HEAD"})


class Gateway:
    """`line` is the joined pipeline; `pages` what is answered without a key (health, metrics)."""

    def __init__(
        self,
        live: Live,
        line: Rest,
        protocols: Mapping[str, Protocol],
        pages: Mapping[str, Page],
    ) -> None:
        self._live, self._line, self._protocols = live, line, protocols
        self._pages, self._lists = pages, Lists(Names)
        self._places = {
            path: paths.Inbound(name)
            for name, protocol in protocols.items()
            for path in place_of(protocol).at
        }
        self._calls: set[Exchange] = set()
        self._watched: dict[Exchange, asyncio.Task[None]] = {}
        self._clock: asyncio.TimerHandle | None = None

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        method, path = scope["method"], scope["path"]
        page = self._pages.get(path) if method in _READS else None
        if page is not None and self._live.hosts.admit(scope["headers"]):
            await _show(page, send)
            return
        inbound = paths.find(method, path)
        if inbound.refusal is not None and method == "POST":
            inbound = self._places.get(path, inbound)  # another package's protocol
        x = self._arrived(scope, inbound)
        live, counters = self._live, self._live.counters
        x.receive, x.reply = receive, Reply(send, x, live.time)
        x.task = asyncio.current_task(live.loop)
        counters.in_flight += 1
        self._calls.add(x)
        if self._clock is None:
            self._look_later()
        try:
            await self._way(x, inbound)(x)
        except FarthingError as error:
            await self._refuse(x, _refusing(error))
        finally:
            counters.in_flight -= 1
            self._calls.discard(x)
            if self._watched and (watch := self._watched.pop(x, None)) is not None:
                watch.cancel()
            counters.ended(x)
            reply = x.reply
            del x.reply  # it knows the call, too: a circle that only the collector would break
            reply.leave()

    def _arrived(self, scope: MutableMapping[str, Any], inbound: paths.Inbound) -> Exchange:
        live = self._live
        now, headers = live.now(), scope["headers"]
        events = False
        if query := scope.get("query_string"):
            headers = [*headers, *_key_in(query)]
            events = b"alt=sse" in query
        x = Exchange(live.ids.new(now), now, live.time(), headers, self._lists.of(headers))
        x.protocol = self._protocols[inbound.shape]
        x.path_model, x.path_stream = inbound.model, inbound.stream
        x.events = events
        return x

    def _way(self, x: Exchange, inbound: paths.Inbound) -> Rest:
        """Through the line, or where else the path leads. Raises Refusing."""
        if self._live.draining:
            raise Refusing(503, "draining", "The gateway is shutting down.", retry=True)
        headers = x.headers
        if not self._live.hosts.admit(headers):
            raise stranger()
        size = x.names.size + sum([len(value) for _, value in headers])
        if len(headers) > MOST_HEADERS or size > MOST_HEADER_BYTES:
            raise _too_many_headers()
        if inbound.refusal is not None:
            raise _refused(inbound.refusal)
        if inbound.protocol == paths.MODELS:
            x.protocol = self._protocols[models.shape(x, inbound)]
            return partial(models.answer, live=self._live, model=inbound.model)
        return self._line

    async def _refuse(self, x: Exchange, error: Refusing) -> None:
        refusal = error.refusal
        self._live.counters.refusals[refusal.code] += 1
        x.attempt = None
        if x.asked and not x.booked:
            line = free_line(x, "refused", self._live.time(), reason=refusal.code)
            self._live.ledger.book((x.id, 0), line, refused=True)
        if not x.reply.started:
            await x.reply.refuse(refusal, error.after)

    def _look_later(self) -> None:
        self._clock = self._live.loop.call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        """Watch for the hang-up of callers who wait for long; a quick answer needs no watch."""
        self._clock = None
        now = self._live.time()
        before = now - LOOK_SECONDS
        for x in self._calls:
            if x.started > before:
                continue
            if x.stalled_at is not None and now > x.stalled_at + STALLED_SECONDS:
                _give_up(x, now)
            if x.asked and x not in self._watched:
                self._watched[x] = asyncio.create_task(_until_gone(x, self._live.time))
            elif not x.asked and not x.slow and now > x.started + body.SECONDS and x.task:
                x.slow = True
                x.task.cancel()
        if self._calls:
            self._look_later()


def _give_up(x: Exchange, now: float) -> None:
    """Its caller does not read. The connection closes; others who read along go on."""
    if x.reply.aside is not None:
        x.hung_up, x.left_at, x.stalled_at = True, now, None
        x.reply.give_up()
    elif x.task is not None:
        x.task.cancel()  # settles as cancelled


async def _until_gone(x: Exchange, time: Callable[[], float]) -> None:
    while (await x.receive())["type"] != "http.disconnect":
        pass
    x.hung_up, x.left_at = True, time()


async def _show(page: Page, send: Send) -> None:
    status, headers, text = page()
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})


def _key_in(query: bytes) -> list[tuple[bytes, bytes]]:
    """Google's clients may put the key into the address."""
    found = parse_qs(query.decode("latin-1")).get("key")
    return [(b"x-goog-api-key", found[0].encode("utf-8", "replace"))] if found else []


def _refusing(error: FarthingError) -> Refusing:
    """An error as its caller gets it."""
    if isinstance(error, Refusing):
        return error
    if isinstance(error, Unavailable):
        _log.error("%s", error)  # its words name our files: not for callers
        text = "The gateway cannot serve this call now. Try again."
        return Refusing(503, error.code, text, retry=True)
    return Refusing(500, error.code, str(error))


def _refused(refusal: Refusal) -> Refusing:
    return Refusing(refusal.status, refusal.code, refusal.message, retry=refusal.retry)


def _too_many_headers() -> Refusing:
    return Refusing(
        431, "headers_too_large",
        f"A call has at most {MOST_HEADERS} headers of {MOST_HEADER_BYTES >> 10} KiB together.",
    )  # fmt: skip
