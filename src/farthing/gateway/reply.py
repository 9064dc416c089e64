"""Hand an answer to its caller, and to whoever listens in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import ceil

from farthing.gateway.exchange import Exchange, Send
from farthing.gateway.recording import Recording
from farthing.providers.protocol import Refusal
from farthing.providers.transport.wire import Headers

_JSON = (b"content-type", b"application/json")
_NO_RETRY = (b"x-should-retry", b"false")


class Reply:
    """The way back to one caller. Whoever has hung up gets nothing more; that is no error.

    Once others read along, they do not wait for this caller: it reads along itself, in a task of
    its own (`aside`), and may take its time.
    """

    __slots__ = ("_given_up", "_send", "_time", "_x", "aside", "ended", "started", "status")

    def __init__(self, send: Send, x: Exchange, time: Callable[[], float]) -> None:
        self._send, self._x, self._time = send, x, time
        self.started = self.ended = self._given_up = False
        self.status = 0  # none yet
        self.aside: asyncio.Task[None] | None = None

    async def start(self, status: int, headers: Headers) -> None:
        """The head of the answer; ours are added to the provider's headers."""
        x = self._x
        self.started, self.status = True, status
        if x.tap is not None:
            x.tap.start(status, headers)
        headers.append((b"x-farthing-request-id", x.id.encode()))
        headers.append((b"x-farthing-cache", x.cache_word))
        attempt = x.attempt
        if attempt is not None and attempt.cap is not None:
            headers.append((b"x-farthing-clamped", b"%d" % attempt.cap))
        if not x.hung_up:
            x.stalled_at = self._time()  # the answer to the call before may not be read
            await self._send({"type": "http.response.start", "status": status, "headers": headers})
            x.stalled_at = None

    async def chunk(self, chunk: bytes, *, last: bool) -> None:
        x = self._x
        self.ended = last
        if x.tap is not None:
            if chunk:
                x.tap.chunk(chunk)
            if self.aside is not None or (x.tap.followers and chunk):
                await self._beside(x.tap, last=last)
                return
        if not x.hung_up:  # as `_pass`: a call saves a frame
            x.stalled_at = self._time()
            await self._send({"type": "http.response.body", "body": chunk, "more_body": not last})
            x.stalled_at = None

    def give_up(self) -> None:
        """Its caller does not read. The others are to get their answer all the same."""
        self._given_up = True
        if self.aside is not None:
            self.aside.cancel()

    def leave(self) -> None:
        """The call is over. Raises CancelledError where its caller was given up."""
        if self.aside is not None:
            self.aside.cancel()
        if self._given_up:
            raise asyncio.CancelledError

    async def _beside(self, tap: Recording, *, last: bool) -> None:
        if self.aside is None:
            self.aside = asyncio.create_task(self._read_along(tap, len(tap.chunks) - 1))
        if last:
            tap.end(failed=not self._x.whole)
            await asyncio.wait([self.aside])

    async def _read_along(self, tap: Recording, read: int) -> None:
        while part := await tap.read(read):
            read = len(tap.chunks)
            await self._pass(part, last=False)
        await self._pass(b"", last=True)

    async def _pass(self, chunk: bytes, *, last: bool) -> None:
        x = self._x
        if not x.hung_up:
            x.stalled_at = self._time()
            await self._send({"type": "http.response.body", "body": chunk, "more_body": not last})
            x.stalled_at = None

    async def refuse(self, refusal: Refusal, after: float | None = None) -> None:
        """An error in the shape that the caller's protocol has for it."""
        body = self._x.protocol.refusal(refusal)
        headers = [_JSON, (b"content-length", b"%d" % len(body))]
        if not refusal.retry:
            headers.append(_NO_RETRY)
        if after is not None:
            headers.append((b"retry-after", b"%d" % max(1, ceil(after))))
        await self.start(refusal.status, headers)
        await self.chunk(body, last=True)
