"""The connections to one origin: those in use, and those that wait, latest first."""

from __future__ import annotations

import asyncio
import ssl

from farthing.providers.transport.connection import Connection
from farthing.providers.transport.request_head import Heads
from farthing.providers.transport.wire import NotSent, Origin, Timeouts


class Pool:
    """Each connection is here from when it stands until it is closed."""

    def __init__(self, origin: Origin, most_idle: int) -> None:
        self.origin = origin
        self.heads = Heads(origin)
        self.open: set[Connection] = set()
        self._idle: list[Connection] = []
        self._most_idle = most_idle

    @property
    def idle(self) -> int:
        return len(self._idle)

    def take(self) -> Connection | None:
        """The one used last: it is the least likely to be closed just now."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.gone:
                return connection
        return None

    async def connect(self, context: ssl.SSLContext | None, timeouts: Timeouts) -> Connection:
        loop, host = asyncio.get_running_loop(), self.origin.host
        try:
            async with asyncio.timeout(timeouts.connect):
                _, connection = await loop.create_connection(
                    lambda: Connection(self, loop, host),
                    host,
                    self.origin.port,
                    ssl=context,
                    server_hostname=None if context is None else host,
                )
        except (OSError, ValueError) as error:  # ValueError: a host that is no name
            why = str(error) or "no connection in time"
            raise NotSent(f"{host} cannot be reached: {why}.") from error
        if connection.gone:
            raise NotSent(f"{host} closed the connection at once.")
        return connection

    def meet(self, connection: Connection) -> None:
        self.open.add(connection)

    def keep(self, connection: Connection) -> None:
        """Its answer was read; the next request may have it."""
        if len(self._idle) >= self._most_idle:
            connection.drop()
        else:
            connection.idle_since = connection.loop.time()
            self._idle.append(connection)

    def forget(self, connection: Connection) -> None:
        """It is closed, whoever closed it."""
        self.open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def close(self) -> None:
        """Close those that wait, and from now on every one whose answer ends."""
        self._most_idle = 0
        while (connection := self.take()) is not None:
            connection.drop()
