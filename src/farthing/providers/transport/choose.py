"""Which way a request goes: in process, through aiohttp for a proxy or a CA file, else our own."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from farthing.providers.transport.http1 import PooledTransport
from farthing.providers.transport.wire import Answer, Origin, Request, Timeouts, Transport

IN_PROCESS = ".invalid"  # no host has such a name (RFC 6761 §6.4): the simulator's answers here


class Transports:
    """A Transport that hands each request to the one that can.

    `odd` and `inside` are made when first needed: most gateways need neither, and pay no memory.
    """

    def __init__(
        self, plain: Transport, odd: Callable[[], Transport], inside: Callable[[], Transport]
    ) -> None:
        self._plain = plain
        self._make = {"odd": odd, "inside": inside}
        self._made: dict[str, Transport] = {}

    def send(
        self, origin: Origin, request: Request, timeouts: Timeouts
    ) -> Coroutine[Any, Any, Answer]:
        if origin.host.endswith(IN_PROCESS):
            return self._of("inside").send(origin, request, timeouts)
        if origin.proxy is not None or origin.ca_file is not None:
            return self._of("odd").send(origin, request, timeouts)
        return self._plain.send(origin, request, timeouts)

    def connections(self) -> Mapping[str, tuple[int, int]]:
        """Of our own client, by host and port: how many are in use, and how many wait."""
        return self._plain.connections() if isinstance(self._plain, PooledTransport) else {}

    async def close(self) -> None:
        for each in (self._plain, *self._made.values()):
            await each.close()

    def _of(self, kind: str) -> Transport:
        if kind not in self._made:
            self._made[kind] = self._make[kind]()
        return self._made[kind]
