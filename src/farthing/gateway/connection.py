"""One caller's connection: uvicorn's, with bounds on what is no call yet."""

from __future__ import annotations

import asyncio
import resource
from typing import Any
from urllib.parse import unquote

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser, parse_url
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from farthing.gateway.asgi import MOST_HEADER_BYTES, MOST_HEADERS
from farthing.gateway.cycle import Cycle
from farthing.gateway.patience import HEAD_SECONDS, IDLE_SECONDS
from farthing.providers import paths, refusals
from farthing.providers.protocol import Refusal

MOST_PIPELINED = 64
MOST_CONNECTIONS = 20_000  # or as many as there may be open files, but for a reserve of a tenth

_BAD = Refusal(
    status=400, code="bad_request",
    message="This is no HTTP/1.1 request. Look at its first line, header names and lengths.",
)  # fmt: skip
_SLOW = Refusal(
    status=408, code="slow_head", retry=True,
    message=f"The head of the request did not come within {HEAD_SECONDS:g} seconds.",
)  # fmt: skip
_LARGE = Refusal(
    status=431, code="headers_too_large",
    message=f"A call has at most {MOST_HEADERS} headers of {MOST_HEADER_BYTES >> 10} KiB together.",
)  # fmt: skip
_MANY = Refusal(
    status=503, code="too_many_connections", retry=True,
    message="Too many connections are open here. Close some, or try again in a few seconds.",
)  # fmt: skip
_UPGRADE = frozenset({b"upgrade", b"connection", b"http2-settings"})
_SHAPES = {"anthropic": refusals.anthropic, "gemini": refusals.google}
_NOTHING_YET = object()
_MANY_URLS, _LONGEST_URL = 500, 200  # that are remembered, once taken apart
_urls: dict[bytes, tuple[str, bytes, bytes]] = {}


class _Trailers:
    """Where fields go that follow a body: what is said of a call is said before it."""

    def append(self, _: tuple[bytes, bytes]) -> None: ...


_TRAILERS: Any = _Trailers()


class Connection(HttpToolsProtocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_bytes = 0  # of a head that is not whole yet
        self._unread = 0  # bytes of answers, when somebody last looked
        # The call under way; `cycle` is the last that came.
        self._answered: RequestResponseCycle | None = None
        if len(self.connections) > most_connections():
            self._refuse(_MANY)

    def connection_lost(self, exc: Exception | None) -> None:
        call = self._answered
        if call is not None and not call.response_complete:
            call.disconnected = True
            call.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            self._go_on_as_it_is(data[upgrade.args[0] :])
        except HttpParserError:
            self.send_400_response("")
        cycle = self.cycle
        if self.scope is not None and (cycle is None or cycle.scope is not self.scope):
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEADER_BYTES:
                self._refuse(_LARGE)
        elif self._head_bytes:
            self._head_bytes = 0
        if len(self.pipeline) > MOST_PIPELINED:
            self.transport.abort()

    def on_headers_complete(self) -> None:
        parser, scope, before = self.parser, self.scope, self.cycle
        version, scope["method"] = parser.get_http_version(), parser.get_method().decode("ascii")
        if parser.should_upgrade():
            return
        if version != "1.1":
            scope["http_version"] = version
        scope["path"], scope["raw_path"], scope["query_string"] = _apart(self.url)
        self.headers = _TRAILERS
        self.cycle = cycle = Cycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        if before is None or before.response_complete:
            self._answered = cycle
            self._start_asgi_task(cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))

    def on_response_complete(self) -> None:
        """No timer is set for who stays idle: `Patience` looks at all of them."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._answered = cycle
            self._start_asgi_task(cycle, app)

    def send_400_response(self, msg: str) -> None:
        self._refuse(_BAD)

    def owes(self) -> tuple[object, float] | None:
        """See `Patience`. While a call is under way, nothing is owed but to it.

        Who still has something to read has to read on; what waits for nobody would stay for ever.
        """
        cycle, unread = self.cycle, self.transport.get_write_buffer_size()
        if unread and (cycle is None or cycle.response_complete or self.transport.is_closing()):
            if unread != self._unread:
                self._unread = unread  # the same object while nothing is read
            return self._unread, IDLE_SECONDS
        if cycle is None:
            return self.scope or _NOTHING_YET, HEAD_SECONDS
        if not cycle.response_complete:
            return None
        return self.scope, IDLE_SECONDS if cycle.scope is self.scope else HEAD_SECONDS

    def cut(self) -> None:
        began = self.scope is not None and (
            self.cycle is None or self.cycle.scope is not self.scope
        )
        if began and not self.transport.get_write_buffer_size():
            self._refuse(_SLOW)
        else:
            self.transport.abort()

    def _refuse(self, refusal: Refusal) -> None:
        """In the shape of the path, as far as it is known; then close."""
        cycle = self.cycle
        if self.transport.is_closing():
            return
        if cycle is not None and not cycle.response_complete:
            whole = not cycle.more_body
            if whole or cycle.response_started:
                # What is wrong comes after this call: its answer goes out whole, and then no more.
                cycle.keep_alive = False
                self.flow.pause_reading()
                return
        body = _words(self.url if self.scope is not None else b"", refusal)
        head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
        self.transport.write(STATUS_LINE[refusal.status] + head % len(body) + body)
        self.transport.close()

    def _should_upgrade(self) -> bool:
        """True: no call is begun yet; see `_go_on_as_it_is`."""
        return True

    def _go_on_as_it_is(self, rest: bytes) -> None:
        """Who would rather speak HTTP/2 or a socket is answered in HTTP/1.1 (RFC 9110 §7.8).

        The parser takes what follows such a head for another protocol, so it gets it once more.
        """
        if self.scope["method"] == "CONNECT":
            self._refuse(_BAD)
            return
        lines = [b"%b %b HTTP/1.1" % (self.scope["method"].encode(), self.url)]
        lines += [b"%b: %b" % field for field in self.scope["headers"] if field[0] not in _UPGRADE]
        self.parser = HttpRequestParser(self)
        self.data_received(b"\r\n".join([*lines, b"", b""]) + rest)


def _apart(url: bytes) -> tuple[str, bytes, bytes]:
    """Path decoded, path as it came, query."""
    found = _urls.get(url)
    if found is None:
        parsed = parse_url(url)
        raw, query = parsed.path, parsed.query or b""
        found = unquote(raw.decode("ascii")), raw, query
        if len(url) <= _LONGEST_URL:
            if len(_urls) >= _MANY_URLS:
                _urls.clear()
            _urls[url] = found
    return found


def most_connections() -> int:
    return min(MOST_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] * 9 // 10)


def _words(url: bytes, refusal: Refusal) -> bytes:
    path = url.partition(b"?")[0].decode("latin-1")
    family = paths.find("POST", path).protocol.partition("_")[0]
    return _SHAPES.get(family, refusals.openai)(refusal)
