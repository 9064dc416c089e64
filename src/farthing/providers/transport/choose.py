"""Which way a request goes: through aiohttp where there is a proxy or a CA file, else our own."""

from __future__ import annotations

from farthing.providers.transport.http1 import PooledTransport
from farthing.providers.transport.wire import Answer, Origin, Request, Timeouts, Transport


class Transports:
    """A Transport that hands each request to the one that can."""

    def __init__(self, plain: Transport | None = None, odd: Transport | None = None) -> None:
        self._plain: Transport = PooledTransport() if plain is None else plain
        self._odd = odd

    async def send(self, origin: Origin, request: Request, timeouts: Timeouts) -> Answer:
        plain = origin.proxy is None and origin.ca_file is None
        return await (self._plain if plain else self._other()).send(origin, request, timeouts)

    async def close(self) -> None:
        await self._plain.close()
        if self._odd is not None:
            await self._odd.close()

    def _other(self) -> Transport:
        if self._odd is None:
            # Most gateways never need it, and it takes memory and time to import.
            from farthing.providers.transport.through_aiohttp import AiohttpTransport

            self._odd = AiohttpTransport()
        return self._odd
