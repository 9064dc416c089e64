"""Rounds in which every server gets a slice of each kind of call, so that noise hits all alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.gateway import cpu
from benchmarks.gateway.load import CALLS, HITS, NOT_CACHEABLE, STREAMS, Kind, Load, Taken
from benchmarks.gateway.servers import Server

CONNECTIONS, STEADY_CONNECTIONS = 16, 32
RATE, SLOW_RATE = 150.0, 10.0  # calls a second in the open loop


@dataclass
class Figures:
    """What one server was measured at, a value a round."""

    name: str
    rate: float = RATE
    call: list[float] = field(default_factory=list)  # CPU µs
    beside: list[float] = field(default_factory=list)  # of its other processes, a call
    plain: list[float] = field(default_factory=list)  # a call that no cache keeps
    hit: list[float] = field(default_factory=list)
    stream: list[float] = field(default_factory=list)
    throughput: list[float] = field(default_factory=list)  # calls a second, all cores as they are
    latencies: list[list[float]] = field(default_factory=list)  # seconds, in the open loop
    disturbed: list[float] = field(default_factory=list)  # share of the core that others took
    resident: float = 0.0  # MB at the end
    good: int = 0
    failures: Counter[str] = field(default_factory=Counter)


class Rounds:
    """The servers, `direct` among them: the upstream with nothing before it."""

    def __init__(self, servers: Sequence[Server], core: int, seconds: float) -> None:
        self.servers = list(servers)
        self.core, self.seconds = core, seconds
        self.figures = {
            each.name: Figures(each.name, SLOW_RATE if each.slow else RATE) for each in servers
        }

    async def run(self, rounds: int) -> dict[str, Figures]:
        for number in range(rounds):
            # Who comes first changes, in case it matters.
            first = number % len(self.servers)
            for server in self.servers[first:] + self.servers[:first]:
                await self._latency(server)
                if server.pids:
                    await self._slices(server)
        for server in self.servers:
            self.figures[server.name].resident = cpu.resident_mb(server.pids)
        return self.figures

    async def _slices(self, server: Server) -> None:
        figures = self.figures[server.name]
        others = cpu.living(server.beside)
        beside = cpu.seconds(others)
        taken, cost = await self._closed(server, CALLS)
        beside = max(cpu.seconds(cpu.living(others)) - beside, 0.0)
        figures.call.append(cost)
        figures.beside.append(beside / max(taken.good, 1) * 1e6)
        figures.throughput.append(taken.good / taken.seconds)
        _, cost = await self._closed(server, STREAMS)
        figures.stream.append(cost)
        if server.caches:
            figures.hit.append((await self._closed(server, HITS))[1])
            figures.plain.append((await self._closed(server, NOT_CACHEABLE))[1])

    async def _closed(self, server: Server, kind: Kind) -> tuple[Taken, float]:
        """The slice, and the CPU µs of one call in it."""
        load = await self._ready(server, kind)
        busy, before = cpu.core_busy_seconds(self.core), cpu.seconds(server.pids)
        taken = await load.closed_loop(10**9, self.seconds)
        used = cpu.seconds(server.pids) - before
        busy = cpu.core_busy_seconds(self.core) - busy
        self.figures[server.name].disturbed.append(max(busy - used, 0.0) / taken.seconds)
        load.close()
        self._count(server, taken)
        return taken, used / max(taken.good, 1) * 1e6

    async def _latency(self, server: Server) -> None:
        figures = self.figures[server.name]
        load = await self._ready(server, CALLS, STEADY_CONNECTIONS)
        taken = await load.open_loop(figures.rate, self.seconds * 2)
        load.close()
        self._count(server, taken)
        figures.latencies.append(taken.latencies)

    async def _ready(self, server: Server, kind: Kind, connections: int = CONNECTIONS) -> Load:
        """Connections on which calls went already, so that none is made in the slice."""
        load = await Load(server.door, kind).open(connections)
        await load.closed_loop(2 * connections, 5.0)
        return load

    def _count(self, server: Server, taken: Taken) -> None:
        figures = self.figures[server.name]
        figures.good += taken.good
        figures.failures += taken.failures
