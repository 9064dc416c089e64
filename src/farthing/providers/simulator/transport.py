"""The simulator as a Transport: in process, without sockets, on the running loop's clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from farthing.providers.simulator.script import Script
from farthing.providers.simulator.simulator import Simulator
from farthing.providers.transport.wire import Lost, Origin, Request, TimedOut, Timeouts

Heard = Callable[[Request, Script], None]


class SimulatorTransport:
    """`on_attempt` hears of each request that reached the provider, before it is answered."""

    def __init__(self, simulator: Simulator, on_attempt: Heard | None = None) -> None:
        self._simulator = simulator
        self._on_attempt = on_attempt

    async def send(self, origin: Origin, request: Request, timeouts: Timeouts) -> Played:
        script = self._simulator.answer(request)
        if self._on_attempt is not None:
            self._on_attempt(request, script)
        await _passes(script.latency, timeouts.first)
        if not script.status:
            await _breaks(script, timeouts.first - script.latency)
        return Played(script, timeouts.between)

    async def close(self) -> None:
        """There is nothing to close: no connection was ever made."""


class Played:
    """An Answer that comes out of a Script."""

    __slots__ = ("_between", "_closed", "_next", "_script", "ended", "headers", "status")

    def __init__(self, script: Script, between: float) -> None:
        self._script, self._between = script, between
        self._next = 0
        self._closed = False
        self.status = script.status
        self.headers: Sequence[tuple[bytes, bytes]] = script.headers
        self.ended = False
        self._look_for_the_end()

    async def chunk(self) -> bytes:
        if self.ended:
            return b""
        if self._closed:
            raise Lost("The answer was closed before it had ended.")
        script = self._script
        if self._next == len(script.chunks):
            await _breaks(script, self._between)
        if self._next:
            await _passes(script.pace, self._between)
        made = script.chunks[self._next]
        self._next += 1
        self._look_for_the_end()
        return made

    def close(self) -> None:
        self._closed = True

    def _look_for_the_end(self) -> None:
        if self._next == len(self._script.chunks) and self._script.ends == "whole":
            self.ended = self._script.finished = True


async def _passes(seconds: float, patience: float) -> None:
    """Wait; TimedOut when patience is shorter. Even no time at all lets others go first."""
    if seconds >= patience:
        await asyncio.sleep(patience)
        raise TimedOut(f"The simulator was silent for {patience:g} s.")
    await asyncio.sleep(seconds)


async def _breaks(script: Script, patience: float) -> None:
    """The end of a script that is not whole."""
    if script.ends == "hang":
        await _passes(float("inf"), max(patience, 0.0))
    raise Lost("The simulator broke the connection.")
