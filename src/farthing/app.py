"""The composition root: the only file that picks implementations."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from farthing.access.keyring import Keyring
from farthing.access.secret import Secrets
from farthing.budgets.holds import Holds
from farthing.config import Settings, Upstream
from farthing.gateway.asgi import Gateway
from farthing.gateway.bookkeeper import Bookkeeper
from farthing.gateway.hosts import Hosts
from farthing.gateway.ids import Ids
from farthing.gateway.keeper import Keeper
from farthing.gateway.knobs import Knobs
from farthing.gateway.live import Live
from farthing.gateway.metrics import Connections, Metrics
from farthing.gateway.pages import pages
from farthing.gateway.pipeline import Rest, join
from farthing.gateway.restore import Checkpoints, StoredSums, restore
from farthing.gateway.stages.cache import Cache
from farthing.gateway.stages.dedupe import Dedupe
from farthing.gateway.stages.guard import Guard
from farthing.gateway.stages.hold import Hold
from farthing.gateway.stages.identify import Identify
from farthing.gateway.stages.meter import Metering
from farthing.gateway.stages.route import Route
from farthing.gateway.stages.scope import Scope
from farthing.gateway.stages.send import Sender
from farthing.gateway.stages.settle import Settle
from farthing.gateway.upstreams import Upstreams, upstreams_of
from farthing.ledger import journal
from farthing.ledger.disk import SYSTEM, Disk
from farthing.ledger.journal import Fsync, Journal
from farthing.ledger.state import State
from farthing.ledger.workspace import Workspace
from farthing.policy.policy import DEFAULT
from farthing.prices.live import LivePrices
from farthing.providers import kinds
from farthing.providers.protocol import Protocol, place_of
from farthing.providers.transport.choose import Transports
from farthing.providers.transport.http1 import PooledTransport
from farthing.providers.transport.proxies import proxy_of
from farthing.providers.transport.wire import Transport
from farthing.registry import PROTOCOLS, plugins

_SIMULATED_MODELS = ("sim-small", "sim-medium", "sim-large", "sim-embed")
SIMULATED = {"simulator": Upstream(kind="simulator", models=_SIMULATED_MODELS)}


def line(live: Live) -> Rest:
    """The order of the stages."""
    settle = Settle(live)
    return join(
        (
            Identify(live),
            Scope(live),
            Guard(live),
            Cache(live),
            Dedupe(live),
            Route(live),
            Hold(live, settle),
            Sender(live, settle),
            Metering(live, settle),
            settle,
        )
    )


def spoken() -> dict[str, Protocol]:
    """Every protocol, by name: ours, and those of other packages."""
    return {protocol.name: protocol for protocol in plugins(PROTOCOLS)}


def _journal(workspace: Workspace, fsync: Fsync) -> Journal:
    return Journal(workspace, fsync=fsync)


def _transports() -> Transport:
    return Transports(PooledTransport(), _through_aiohttp, _simulated)


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What a gateway meets outside itself. A simulation puts another world in its place."""

    now: Callable[[], float] = time.time  # epoch seconds
    entropy: Callable[[int], bytes] = os.urandom
    disk: Disk = SYSTEM
    journal: Callable[[Workspace, Fsync], Journal] = _journal
    state: Callable[[Path], State] = State.open
    prices: Callable[[Path], LivePrices] = LivePrices.open
    transport: Callable[[], Transport] = _transports
    protocols: Callable[[], dict[str, Protocol]] = spoken
    bookkeeper: Callable[[Journal], Bookkeeper] = Bookkeeper
    line: Callable[[Live], Rest] = line


THE_WORLD = Around()


class GatewayApp:
    """A gateway over one workspace: open it, serve `asgi`, close it."""

    def __init__(
        self, workspace: Workspace, settings: Settings, around: Around = THE_WORLD
    ) -> None:
        self._workspace, self._settings, self._around = workspace, settings, around
        folder = settings.path.parent if settings.path else workspace.root
        self._secrets = Secrets(folder, os.environ)
        self.asgi: Gateway

    async def open(self) -> None:
        """Everything that must be so before the first call: books in order, sums right."""
        root, around = self._workspace.root, self._around
        await _settle_the_dead(self._workspace, around.disk)
        self._state = state = around.state(root)
        self._prices = around.prices(root)
        protocols = around.protocols()
        upstreams = self.upstreams(protocols)
        keyring = Keyring.load(state)
        holds = Holds(StoredSums(state), around.now)
        self._journal = around.journal(self._workspace, self._settings.gateway.fsync)
        self._transport = around.transport()
        self.live = Live(
            keyring=keyring,
            knobs=Knobs(DEFAULT, "", upstreams, keyring),
            upstreams=upstreams,
            transport=self._transport,
            prices=self._prices,
            holds=holds,
            ledger=around.bookkeeper(self._journal),
            now=around.now,
            ids=Ids(around.entropy),
            most_body=self._settings.gateway.max_body_mb << 20,
        )
        self.live.answers.open(root, state, around.now)
        checkpoints = Checkpoints(root, holds, self._journal, {})
        self._keeper = Keeper(self._workspace, state, self.live, checkpoints, self._secrets)
        cuts = self._keeper.begin()
        tenants = {key.id: key.tenant for key in self.live.keyring.all()}
        checkpoints.marks = restore(self._workspace, state, holds, tenants, cuts)
        await self._keeper.checkpoint()
        await self.live.answers.ready()
        named = [
            (each.provider, model)
            for each in upstreams.all.values()
            for model in each.models
            if not set("*?[") & set(model)
        ]
        await self._prices.preload(named)
        self.live.hosts = Hosts(self._settings.gateway.allowed_hosts)
        self.live.propagate = self._settings.telemetry.propagate
        told = Metrics(self.live, self._journal.lag, _connections(self._transport))
        self.asgi = Gateway(self.live, around.line(self.live), protocols, pages(self.live, told))
        self._keeper.start()

    async def close(self) -> None:
        await self._transport.close()
        await self._prices.close()
        await self._keeper.close()
        await self.live.answers.close()
        self._journal.close()
        self._state.close()

    def upstreams(self, protocols: Mapping[str, Protocol]) -> Upstreams:
        places = {name: place_of(protocol) for name, protocol in protocols.items()}
        known = kinds.speaking(places)
        return upstreams_of(self._settings, self._secrets.of, proxy_of, known)


async def _settle_the_dead(workspace: Workspace, disk: Disk) -> None:
    """Book what other processes left open, or wait for the compactor that does it just now."""
    journal.adopt(workspace, disk)
    while journal.unclosed(workspace):
        await asyncio.sleep(0.05)
        journal.adopt(workspace, disk)


def _connections(transport: Transport) -> Connections:
    """Those of our own client, where that is what calls go through."""
    return transport.connections if isinstance(transport, Transports) else dict


def _through_aiohttp() -> Transport:
    from farthing.providers.transport.through_aiohttp import AiohttpTransport

    return AiohttpTransport()


def _simulated() -> Transport:
    from farthing.providers.simulator.simulator import Simulator
    from farthing.providers.simulator.transport import SimulatorTransport

    return SimulatorTransport(Simulator())
