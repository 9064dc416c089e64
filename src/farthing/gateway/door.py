"""uvicorn's HTTP/1.1 with what every call pays for made cheaper, and slow heads cut off.

An answer's head leaves together with the first of its body: one write in place of two. One timer a
connection is armed once and looks when it fires, where uvicorn arms and cancels one for each call.
Parsing, pipelining, 100-continue and draining are uvicorn's.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

HEAD_SECONDS = 30.0  # from a request's first byte to the end of its head
MOST_URLS, LONGEST_URL = 500, 200  # that are remembered, once taken apart
_BODILESS = frozenset({204, 304})

_urls: dict[bytes, tuple[str, bytes, bytes]] = {}


class Door(HttpToolsProtocol):
    """One connection of a caller."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._idle_since: float | None = self.loop.time()  # None: a call is being answered
        self._head_since: float | None = None
        self._later(self.timeout_keep_alive)

    def data_received(self, data: bytes) -> None:
        if self._idle_since is not None and self._head_since is None:
            self._head_since = self.loop.time()
        super().data_received(data)

    def on_headers_complete(self) -> None:
        self._idle_since = self._head_since = None
        parser, scope = self.parser, self.scope
        version = parser.get_http_version()
        scope["method"] = parser.get_method().decode("ascii")
        if version != "1.1":
            scope["http_version"] = version
        scope["path"], scope["raw_path"], scope["query_string"] = _apart(self.url)
        before = self.cycle
        self.cycle = cycle = _Cycle(
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
            self._start_asgi_task(cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        else:
            self._idle_since = self.loop.time()

    def _unset_keepalive_if_required(self) -> None:
        if self.transport.is_closing():
            super()._unset_keepalive_if_required()

    def timeout_keep_alive_handler(self) -> None:
        """Close who sends nothing, or a head without end; look again when that may be so."""
        now, idle, head = self.loop.time(), self._idle_since, self._head_since
        if self.transport.is_closing():
            return
        if head is not None:
            left = head + HEAD_SECONDS - now
        elif idle is not None:
            left = idle + self.timeout_keep_alive - now
        else:
            left = self.timeout_keep_alive
        if left <= 0:
            self.transport.close()
        else:
            self._later(left)

    def _later(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )


class _Cycle(RequestResponseCycle):
    """One call on a connection, and its answer."""

    _head = b""  # of the answer, until something of its body comes

    async def send(self, message: Any) -> None:
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if not self.response_started:
            self._begin(message)
        elif self.response_complete:
            raise RuntimeError("The answer was complete already.")
        else:
            self._go_on(message["body"], more=message.get("more_body", False))

    def _begin(self, message: Any) -> None:
        self.response_started = True
        self.waiting_for_100_continue = False
        status, headers = message["status"], message["headers"]
        lines = [STATUS_LINE[status], *[b"%b: %b\r\n" % each for each in headers]]
        for name, value in headers:
            if name == b"content-length":
                self.expected_content_length, self.chunked_encoding = int(value), False
                break
        else:
            if status not in _BODILESS and self.scope["method"] != "HEAD":
                self.chunked_encoding = True
                lines.append(b"transfer-encoding: chunked\r\n")
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        lines.append(b"\r\n")
        self._head = head = b"".join(lines)
        if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines):
            raise RuntimeError("A header of the answer holds a line break.")

    def _go_on(self, body: bytes, *, more: bool) -> None:
        head, self._head = self._head, b""
        if self.scope["method"] == "HEAD":
            self.expected_content_length = 0
            body = b""
        elif self.chunked_encoding:
            body = _chunk(body, more=more)
        else:
            self.expected_content_length -= len(body)
            if self.expected_content_length < 0 or (not more and self.expected_content_length):
                raise RuntimeError("The answer is not as long as its content-length says.")
        self.transport.write(head + body)
        if not more:
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive:
                self.transport.close()
            self.on_response()


def _chunk(body: bytes, *, more: bool) -> bytes:
    if not body:
        return b"" if more else b"0\r\n\r\n"
    return b"%x\r\n%b%b" % (len(body), body, b"\r\n" if more else b"\r\n0\r\n\r\n")


def _apart(url: bytes) -> tuple[str, bytes, bytes]:
    """Path decoded, path as it came, query."""
    found = _urls.get(url)
    if found is None:
        from urllib.parse import unquote

        parsed = httptools.parse_url(url)
        raw = parsed.path
        found = unquote(raw.decode("ascii")), raw, parsed.query or b""
        if len(url) <= LONGEST_URL:
            if len(_urls) >= MOST_URLS:
                _urls.clear()
            _urls[url] = found
    return found
