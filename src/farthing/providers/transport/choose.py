"""Which way a request goes: through aiohttp where there is a proxy or a CA file, else our own."""

from __future__ import annotations

from farthing.providers.transport.http1 import PooledTransport
from farthing.providers.transport.through_aiohttp import AiohttpTransport
from farthing.providers.transport.wire import Answer, Origin, Request, Timeouts, Transport


class Transports:
    """A Transport that hands each request to the one that can."""

    def __init__(self, plain: Transport | None = None, odd: Transport | None = None) -> None:
        self._plain: Transport = PooledTransport() if plain is None else plain
        self._odd: Transport = AiohttpTransport() if odd is None else odd

    async def send(self, origin: Origin, request: Request, timeouts: Timeouts) -> Answer:
        odd = origin.proxy is not None or origin.ca_file is not None
        way = self._odd if odd else self._plain
        return await way.send(origin, request, timeouts)

    async def close(self) -> None:
        await self._plain.close()
        await self._odd.close()
