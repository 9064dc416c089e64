"""Our own pooled HTTP/1.1 client: the hot path's way to a provider."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping

from farthing.providers.transport.answer import PooledAnswer
from farthing.providers.transport.connection import SENT_AT_ONCE
from farthing.providers.transport.pool import Pool
from farthing.providers.transport.wire import Origin, Request, Timeouts

LOOK_SECONDS = 0.25  # how often deadlines are looked at: a timeout is late by up to that
SAFE = frozenset({b"GET", b"HEAD"})


class PooledTransport:
    """A Transport. Belongs to the event loop of its first call; all its time is that loop's.

    Nothing but GET and HEAD is ever sent twice, and those once more only where a connection that
    had been idle turns out closed.
    """

    def __init__(
        self,
        *,
        ssl_context: ssl.SSLContext | None = None,
        most_idle: int = 64,
        idle_seconds: float = 15.0,
    ) -> None:
        self._context = ssl_context
        self._most_idle, self._idle_seconds = most_idle, idle_seconds
        self._pools: dict[Origin, Pool] = {}
        self._clock: asyncio.TimerHandle | None = None

    async def send(self, origin: Origin, request: Request, timeouts: Timeouts) -> PooledAnswer:
        pool = self._pools.get(origin) or self._pool(origin)
        method, body = request.method, request.body
        head = pool.heads.write(request)
        again = method in SAFE
        while True:
            connection = pool.take()
            if connection is None:
                again = False
                try:
                    connection = await pool.connect(self._secure(origin), timeouts)
                finally:
                    self._start_clock()
            answer = connection.ask(head, body, timeouts, head_only=method == b"HEAD")
            try:
                if len(body) > SENT_AT_ONCE:
                    await connection.upload(body)
                if answer.waiter is not None:
                    await answer.waiter
            except BaseException:
                answer.close()
                raise
            if answer.status:
                return answer
            if not (again and connection.unanswered):
                raise answer.failure()
            again = False

    def connections(self) -> Mapping[str, tuple[int, int]]:
        """How many are in use and how many wait, by host and port."""
        found: dict[str, tuple[int, int]] = {}
        for origin, pool in self._pools.items():
            place = f"{origin.host}:{origin.port}"
            used, idle = found.get(place, (0, 0))
            found[place] = used + len(pool.open) - pool.idle, idle + pool.idle
        return found

    async def close(self) -> None:
        for pool in self._pools.values():
            pool.close()

    def _pool(self, origin: Origin) -> Pool:
        self._pools[origin] = pool = Pool(origin, self._most_idle)
        return pool

    def _secure(self, origin: Origin) -> ssl.SSLContext | None:
        if origin.scheme != "https":
            return None
        if self._context is None:
            self._context = ssl.create_default_context()
            self._context.set_alpn_protocols(["http/1.1"])
        return self._context

    def _start_clock(self) -> None:
        if self._clock is None:
            self._clock = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look_at_clock)

    def _look_at_clock(self) -> None:
        """One timer for all deadlines: a timer for each call would cost more than its parsing."""
        loop = asyncio.get_running_loop()
        self._clock, now = None, loop.time()
        for pool in self._pools.values():
            for connection in tuple(pool.open):
                connection.look_at_clock(now, self._idle_seconds)
        if any(pool.open for pool in self._pools.values()):
            self._start_clock()
