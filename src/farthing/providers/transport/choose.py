"""Which way a request goes: in process, through aiohttp for a proxy or a CA file, else our own."""

from __future__ import annotations

from farthing.providers.transport.wire import Answer, Origin, Request, Timeouts, Transport

IN_PROCESS = ".invalid"  # no host has such a name (RFC 6761 §6.4): the simulator's answers here


class Transports:
    """A Transport that hands each request to the one that can."""

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
