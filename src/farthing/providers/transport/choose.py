"""Which way a request goes: in process, through aiohttp for a proxy or a CA file, else our own."""

from __future__ import annotations

<<<<<<< HEAD
=======
from farthing.providers.transport.http1 import PooledTransport
>>>>>>> client
from farthing.providers.transport.wire import Answer, Origin, Request, Timeouts, Transport

IN_PROCESS = ".invalid"  # no host has such a name (RFC 6761 §6.4): the simulator's answers here


class Transports:
    """A Transport that hands each request to the one that can."""

<<<<<<< HEAD
    def __init__(self, plain: Transport, odd: Transport, inside: Transport) -> None:
        self._plain, self._odd, self._inside = plain, odd, inside

    async def send(self, origin: Origin, request: Request, timeouts: Timeouts) -> Answer:
        if origin.host.endswith(IN_PROCESS):
            return await self._inside.send(origin, request, timeouts)
        odd = origin.proxy is not None or origin.ca_file is not None
        return await (self._odd if odd else self._plain).send(origin, request, timeouts)

    async def close(self) -> None:
        for each in (self._plain, self._odd, self._inside):
            await each.close()
=======
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
>>>>>>> client
