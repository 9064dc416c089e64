"""One answer between the connection that reads it and whoever asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from farthing.providers.transport.wire import Lost

MOST_UNREAD = 256 << 10  # bytes that wait for the reader before the provider has to


class Source(Protocol):
    """The connection, as far as its answer needs it."""

    loop: asyncio.AbstractEventLoop

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def give_up(self) -> None: ...


class PooledAnswer:
    """An Answer. `status` 0: its head is not there. One task reads it."""

    __slots__ = (
        "_parts",
        "_source",
        "_unread",
        "ended",
        "error",
        "headers",
        "paused",
        "status",
        "waiter",
        "whole",
    )

    def __init__(self, source: Source) -> None:
        self.status = 0
        self.headers: Sequence[tuple[bytes, bytes]] = ()
        self.ended = False
        self.whole = False  # all of the body is here
        self.paused = False
        self.error: Lost | None = None
        self.waiter: asyncio.Future[None] | None = None
        self._source = source
        self._parts: list[bytes] = []
        self._unread = 0

    async def chunk(self) -> bytes:
        """All that came since the last one."""
        parts = self._parts
        while not parts:
            if self.whole:
                self.ended = True
                return b""
            if self.error is not None:
                raise self.failure()
            self.waiter = self._source.loop.create_future()
            try:
                await self.waiter
            except BaseException:
                self.close()
                raise
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self._unread = 0
        self.ended = self.whole
        if self.paused:
            self.paused = False
            self._source.resume()
        return data

    def close(self) -> None:
        self._parts.clear()
        if not self.whole and self.error is None:
            self._source.give_up()

    def take(self, data: bytes) -> None:
        """The connection read more of the body."""
        self._parts.append(data)
        self._unread += len(data)
        if self.waiter is not None:
            self.wake()
        if self._unread > MOST_UNREAD and not self.paused:
            self.paused = True
            self._source.pause()

    def finish(self) -> None:
        """That was all of it."""
        self.whole = True
        self.ended = not self._parts
        if self.paused:
            self.paused = False
            self._source.resume()
        if self.waiter is not None:
            self.wake()

    def fail(self, error: Lost) -> None:
        """There will be no more, and it is not whole. What came can still be read."""
        if not self.whole and self.error is None:
            self.error = error
            if self.waiter is not None:
                self.wake()

    def failure(self) -> Lost:
        """Made anew for each raise: a raised one drags its traceback along."""
        error = self.error or Lost("The answer was given up.")
        return type(error)(*error.args)

    def wake(self) -> None:
        waiter, self.waiter = self.waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
