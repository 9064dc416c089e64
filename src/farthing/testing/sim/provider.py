"""The far side: the simulator's own answers, spoiled as the seed says, and a list of them all."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from farthing.prices.sources.simulator import MODELS
from farthing.providers.simulator.script import Script
from farthing.providers.simulator.simulator import Simulator
from farthing.providers.simulator.transport import Played, SimulatorTransport
from farthing.providers.transport.wire import NotSent, Origin, Request, Timeouts
from farthing.testing.sim.loop import Clock
from farthing.testing.sim.weather import Weather

_PATIENCE = Timeouts(first=4.0, between=3.0)
_USAGE = re.compile(
    rb'("(?:completion_tokens|output_tokens|prompt_tokens|input_tokens'
    rb'|candidatesTokenCount|promptTokenCount)":\s*)(\d+)'
)
_GARBAGE = (
    b"data: {not json\n\n",
    b"\xff\xfe\x00",
    b"<html>502 Bad Gateway</html>",
    b"\n\n\n",
    b"0",
)
_FAILURES = (429, 429, 500, 503, 529)
_PER_MILLION_PICO = 10**6
_MOST_PIECES = 25


@dataclass(slots=True)
class Made:
    """One answer, as it left the provider."""

    number: int
    call: tuple[str, int]  # id and attempt of who asked for it
    script: Script
    honest: bool = True  # its usage is what it bills, its words are the protocol's
    whole: bool = True  # nothing was left out

    @property
    def bill(self) -> int:
        """What the provider charges for it, in picodollars."""
        usage = self.script.usage
        model = MODELS.get(self.script.model or "")
        if usage is None or model is None:
            return 0
        cost = usage.input_fresh * model.input
        cost += (usage.output_visible + usage.reasoning) * (model.output or 0)
        return int(cost * _PER_MILLION_PICO)


class Provider:
    """Outlives every gateway. `reached` hears of each request before it is answered."""

    def __init__(
        self,
        clock: Clock,
        dice: Random,
        weather: Weather,
        reached: Callable[[tuple[str, int]], None],
    ) -> None:
        self._dice, self._weather, self._reached = dice, weather, reached
        self.made: dict[int, Made] = {}
        self.by_call: dict[tuple[str, int], Made] = {}
        self._simulator = Simulator(clock=clock.now, entropy=lambda: "sim")

    def transport(self) -> SimTransport:
        return SimTransport(self._simulator, self._heard, self._dice, self._weather)

    def _heard(self, request: Request, script: Script) -> None:
        number = len(self.made) + 1
        call = _call(request)
        self._reached(call)
        made = self.made[number] = self.by_call[call] = Made(number, call, script)
        self._spoil(made)
        script.headers = [
            *(each for each in script.headers if each[0] != b"x-request-id"),
            (b"x-request-id", b"made-%d" % number),
        ]

    def _spoil(self, made: Made) -> None:
        dice, script, weather = self._dice, made.script, self._weather
        script.latency = dice.choice((0.0, 0.002, 0.05, 0.5))
        script.pace = dice.choice((0.0, 0.0, 0.01, 0.2))
        if dice.random() < weather.lost:
            script.status, script.ends = 0, dice.choice(("reset", "hang"))
            return
        if dice.random() < weather.refused:
            self._refuse(script)
            return
        if script.status != 200:  # noqa: PLR2004
            return
        if dice.random() < weather.lie:
            self._lie(made)
        if dice.random() < weather.garble:
            self._garble(made)
        if dice.random() < weather.drip:
            script.chunks = _pieces(b"".join(script.chunks), dice)
        self._end_early(made)

    def _refuse(self, script: Script) -> None:
        script.status, script.usage = self._dice.choice(_FAILURES), None
        script.chunks = [b'{"error":{"message":"Simulated.","code":"simulated"}}']
        script.streamed = False
        kept = [each for each in script.headers if each[0] != b"content-type"]
        script.headers = [*kept, (b"content-type", b"application/json")]
        if self._dice.random() < 0.3:  # noqa: PLR2004
            script.headers.append((b"retry-after", self._dice.choice((b"1", b"3", b"never"))))

    def _lie(self, made: Made) -> None:
        factor = self._dice.choice((b"0", b"1000", b"99999999999", b"-5", b'"many"', b"null"))
        made.honest = False

        def told(found: re.Match[bytes]) -> bytes:
            return found[1] + (found[2] + b"000" if factor == b"1000" else factor)

        made.script.chunks = [_USAGE.sub(told, chunk) for chunk in made.script.chunks]

    def _garble(self, made: Made) -> None:
        made.honest = False
        chunks = list(made.script.chunks)
        at = self._dice.randint(0, len(chunks))
        chunks[at : at + self._dice.randint(0, 1)] = [self._dice.choice(_GARBAGE)]
        made.script.chunks = chunks

    def _end_early(self, made: Made) -> None:
        dice, script, weather = self._dice, made.script, self._weather
        ends = script.ends
        if dice.random() < weather.hang:
            ends = "hang"
        elif dice.random() < weather.reset:
            ends = "reset"
        elif dice.random() >= weather.cut:
            return
        kept = dice.randint(0, len(script.chunks))
        last = script.chunks[kept : kept + 1]
        made.whole = False
        script.chunks = list(script.chunks[:kept])
        if last and dice.random() < 0.5:  # noqa: PLR2004
            script.chunks.append(last[0][: dice.randint(1, len(last[0]))])
        script.ends = ends
        if not script.chunks:
            script.chunks = [b""] if ends == "whole" else []


class SimTransport:
    """A Transport of one process."""

    def __init__(
        self,
        simulator: Simulator,
        heard: Callable[[Request, Script], None],
        dice: Random,
        weather: Weather,
    ) -> None:
        self._inner = SimulatorTransport(simulator, heard)
        self._dice, self._weather = dice, weather

    async def send(self, origin: Origin, request: Request, timeouts: Timeouts) -> Played:
        if self._dice.random() < self._weather.unreachable:
            await asyncio.sleep(self._dice.choice((0.0, 0.01, timeouts.connect)))
            raise NotSent(f"Nobody answers at {origin.host} (simulated).")
        return await self._inner.send(origin, request, _PATIENCE)

    async def close(self) -> None:
        await self._inner.close()


def _call(request: Request) -> tuple[str, int]:
    """Whose attempt it is, as the gateway says to simulators."""
    told = next(value for name, value in request.headers if name == b"x-farthing-attempt")
    call, _, attempt = told.decode().rpartition("-")
    return call, int(attempt)


def _pieces(body: bytes, dice: Random) -> list[bytes]:
    size = max(len(body) // dice.randint(1, _MOST_PIECES), 1)
    return [body[at : at + size] for at in range(0, len(body), size)] or [b""]
