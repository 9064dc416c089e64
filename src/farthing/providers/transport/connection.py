"""One HTTP/1.1 connection: a request out, its answer read, then idle until the next."""

from __future__ import annotations

import asyncio
import socket
from typing import Protocol, cast

import httptools

from farthing.providers.transport.answer import PooledAnswer
from farthing.providers.transport.hops import OF_A_CONNECTION, named_in
from farthing.providers.transport.wire import Headers, Lost, TimedOut, Timeouts

MOST_SILENT = 64 << 10  # bytes without head or body: of a head, of trailers, of 1xx answers
SENT_AT_ONCE = 64 << 10  # a longer body goes out in slices, as fast as they are taken
SLICE = 256 << 10
PROBE_SECONDS = 60
CONTINUE, SWITCHING, FIRST_FINAL = 100, 101, 200


class Home(Protocol):
    """Who knows the connection, and takes it back when its answer is read."""

    def meet(self, connection: Connection) -> None: ...

    def keep(self, connection: Connection) -> None: ...

    def forget(self, connection: Connection) -> None: ...


class Connection(asyncio.Protocol):
    """Reads strictly: what two readers could take for different answers is Lost."""

    def __init__(self, home: Home, loop: asyncio.AbstractEventLoop, host: str) -> None:
        self.loop = loop
        self.host = host
        self.idle_since = loop.time()
        self.closing = False
        self._home = home
        self._answer: PooledAnswer | None = None
        self._timeouts = Timeouts()
        self._deadline = 0.0
        self._heard = False  # since the last look at the clock
        self._silent = 0  # bytes since the last that were head or body
        self._headers: Headers = []
        self._named: list[bytes] = []
        self._framed = self._odd = self._head_only = self._reusable = False
        self._sending = False
        self._writable: asyncio.Future[None] | None = None
        self._writing_paused = False
        self._parser = httptools.HttpResponseParser(self)

    def ask(self, head: bytes, body: bytes, timeouts: Timeouts, *, head_only: bool) -> PooledAnswer:
        """Write a request; a body past SENT_AT_ONCE is left to `upload`."""
        self._answer = answer = PooledAnswer(self)
        self._timeouts = timeouts
        self._deadline = self.loop.time() + timeouts.first
        self._silent = 0
        self._framed = self._heard = False
        self._head_only = head_only
        self._sending = len(body) > SENT_AT_ONCE
        answer.waiter = self.loop.create_future()
        self._transport.write(head if self._sending else head + body)
        return answer

    async def upload(self, body: bytes) -> None:
        """Write a long body, until the answer is there: an early one wants no more of it."""
        answer, view = self._answer, memoryview(body)
        for start in range(0, len(body), SLICE):
            if self._writing_paused:
                self._writable = self.loop.create_future()
                await self._writable
            if answer is None or answer.status or answer.error is not None:
                return
            self._transport.write(view[start : start + SLICE])
        self._sending = False

    @property
    def gone(self) -> bool:
        return self.closing or self._transport.is_closing()

    @property
    def unanswered(self) -> bool:
        """Whether not one byte came."""
        return self._silent == 0

    def look_at_clock(self, now: float, idle_seconds: float) -> None:
        answer = self._answer
        if answer is None:
            if now - self.idle_since >= idle_seconds:
                self.drop()
        elif answer.paused or (self._heard and answer.status):
            self._heard = False
            self._deadline = now + self._timeouts.between
        elif now >= self._deadline:
            self._fail(TimedOut(f"{self.host} did not answer in time."))

    def drop(self) -> None:
        """Close now. Nothing that is worth flushing is ever left to write."""
        self.closing = True
        self._transport.abort()

    # What its answer asks for

    def pause(self) -> None:
        self._transport.pause_reading()

    def resume(self) -> None:
        if not self.closing:
            self._transport.resume_reading()

    def give_up(self) -> None:
        self._fail(Lost(f"The answer of {self.host} was given up."))

    # What the event loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if (wire := transport.get_extra_info("socket")) is not None:
            # A model may think for minutes; a router in between forgets silent connections.
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if hasattr(socket, "TCP_KEEPIDLE"):
                wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, PROBE_SECONDS)
        self._home.meet(self)

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None:  # nobody asked: whatever that is, the next answer must not begin with it
            self.drop()
            return
        if self._silent == 0 and not answer.status:
            self._odd = not data.startswith(b"HTTP/1.1 ")
            if self._odd and not data.startswith(b"HTTP/"[: len(data)]):  # RTSP would pass
                self._misread(answer, ValueError("another protocol"))
                return
        self._silent += len(data)
        self._heard = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._misread(answer, error)
            return
        if answer.whole:
            self._answer = None
            if self._reusable:
                self._home.keep(self)
            else:
                self.drop()
        elif self._silent > MOST_SILENT:
            self._fail(Lost(f"{self.host} sends headers without end."))

    def eof_received(self) -> None:
        answer = self._answer
        self.closing = True
        if answer is not None and answer.status and not self._framed:
            self._answer = None
            answer.finish()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closing = True
        self._home.forget(self)
        why = f": {exc}" if exc is not None else ""
        self._fail(Lost(f"{self.host} closed the connection before its answer was whole{why}."))
        self._wake_writer()

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        self._wake_writer()

    # What the parser finds

    def on_message_begin(self) -> None:
        answer = self._answer
        if answer is not None and answer.whole:
            self._reusable = False  # more than one answer to one question
        self._headers = []
        if self._named:
            self._named = []

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name not in OF_A_CONNECTION:
            self._headers.append((name, value.rstrip()))
        elif name == b"content-length":
            self._framed = True
        elif name == b"transfer-encoding":
            if self._framed or value.strip().lower() != b"chunked":
                raise ValueError("a transfer encoding other than chunked")
            self._framed = True
        elif name == b"connection" and value.lower() not in _PLAIN:
            self._named += named_in(value)

    def on_headers_complete(self) -> None:
        answer, status = self._answer, self._parser.get_status_code()
        if answer is None or answer.whole:
            return
        if self._odd and self._parser.get_http_version() not in _VERSIONS:
            raise ValueError("another version of HTTP")
        if status < FIRST_FINAL:
            self._inform(status)
            return
        if self._silent > MOST_SILENT:
            self._weigh()
        if self._named:
            self._headers = [pair for pair in self._headers if pair[0] not in self._named]
        answer.headers, self._headers = self._headers, []  # what comes now are trailers
        answer.status = status
        self._silent = 0
        answer.wake()
        if self._head_only:
            self._reusable = False  # the parser waits for a body that will not come
            answer.finish()
        if self._sending:
            self._wake_writer()

    def on_body(self, data: bytes) -> None:
        answer = self._answer
        self._silent = 0
        if answer is not None and not answer.whole:
            answer.take(data)

    def on_message_complete(self) -> None:
        answer = self._answer
        if answer is not None and answer.status and not answer.whole:
            self._reusable = self._parser.should_keep_alive() and not self._sending
            answer.finish()

    def _inform(self, status: int) -> None:
        if status < CONTINUE or status == SWITCHING:
            raise ValueError(f"status {status}")
        self._odd = True  # whatever comes next was not looked at
        self._framed = False

    def _weigh(self) -> None:
        if sum(len(name) + len(value) for name, value in self._headers) > MOST_SILENT:
            raise ValueError("headers past 64 KiB")

    def _misread(self, answer: PooledAnswer, error: Exception) -> None:
        if answer.whole:  # garbage behind it: the answer stands, the connection does not
            self._answer = None
            self.drop()
            return
        self._fail(Lost(f"{self.host} sent no HTTP answer: {error.__context__ or error}."))

    def _fail(self, error: Lost) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.fail(error)
            self._wake_writer()
            self.drop()

    def _wake_writer(self) -> None:
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)


_PLAIN = frozenset({b"keep-alive", b"close"})
_VERSIONS = frozenset({"1.0", "1.1"})
