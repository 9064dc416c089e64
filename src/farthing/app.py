"""The composition root: the only file that picks implementations."""

from __future__ import annotations

import asyncio
import os
import time
import urllib.request
from importlib import import_module
from pkgutil import iter_modules

from farthing.access.keyring import Keyring
from farthing.access.secret import Secrets
from farthing.budgets.holds import Holds
from farthing.config import Settings, Upstream
from farthing.gateway.asgi import Gateway
from farthing.gateway.bookkeeper import Bookkeeper
from farthing.gateway.ids import Ids
from farthing.gateway.keeper import Keeper
from farthing.gateway.knobs import Knobs
from farthing.gateway.live import Live
from farthing.gateway.memory import Memory
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
from farthing.ledger.journal import Journal
from farthing.ledger.state import State
from farthing.ledger.workspace import Workspace
from farthing.policy.policy import DEFAULT
from farthing.prices.live import LivePrices
from farthing.providers import protocols
from farthing.providers.protocol import Protocol
from farthing.providers.transport.choose import Transports
from farthing.providers.transport.http1 import PooledTransport
from farthing.providers.transport.wire import Transport

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
            Cache(live, Memory(live.knobs.policy.cache.max_mb << 20)),
            Dedupe(live),
            Route(live),
            Hold(live, settle),
            Sender(live, settle),
            Metering(live, settle),
            settle,
        )
    )


class GatewayApp:
    """A gateway over one workspace: open it, serve `asgi`, close it."""

    def __init__(self, workspace: Workspace, settings: Settings) -> None:
        self._workspace, self._settings = workspace, settings
        folder = settings.path.parent if settings.path else workspace.root
        self._secrets = Secrets(folder, os.environ)
        self.asgi: Gateway

    async def open(self) -> None:
        """Everything that must be so before the first call: books in order, sums right."""
        root = self._workspace.root
        await _settle_the_dead(self._workspace)
        self._state = state = State.open(root)
        self._prices = LivePrices.open(root)
        upstreams = self.upstreams()
        keyring = Keyring.load(state)
        holds = Holds(StoredSums(state), time.time)
        self._journal = Journal(self._workspace, fsync=self._settings.gateway.fsync)
        self._transport = Transports(PooledTransport(), _through_aiohttp, _simulated)
        self.live = Live(
            keyring=keyring,
            knobs=Knobs(DEFAULT, "", upstreams, keyring),
            upstreams=upstreams,
            transport=self._transport,
            prices=self._prices,
            holds=holds,
            ledger=Bookkeeper(self._journal),
            now=time.time,
            ids=Ids(),
        )
        checkpoints = Checkpoints(root, holds, self._journal, {})
        self._keeper = Keeper(self._workspace, state, self.live, checkpoints, self._secrets)
        cuts = self._keeper.begin()
        tenants = {key.id: key.tenant for key in self.live.keyring.all()}
        checkpoints.marks = restore(self._workspace, state, holds, tenants, cuts)
        await self._keeper.checkpoint()
        named = [
            (each.provider, model)
            for each in upstreams.all.values()
            for model in each.models
            if not set("*?[") & set(model)
        ]
        await self._prices.preload(named)
        most = self._settings.gateway.max_body_mb << 20
        self.asgi = Gateway(self.live, line(self.live), spoken(), pages(self.live), most)
        self._keeper.start()

    async def close(self) -> None:
        await self._transport.close()
        await self._prices.close()
        await self._keeper.close()
        self._journal.close()
        self._state.close()

    def upstreams(self) -> Upstreams:
        settings = self._settings
        return upstreams_of(settings, self._secrets.of, _proxy_of)


async def _settle_the_dead(workspace: Workspace) -> None:
    """Book what other processes left open, or wait for the compactor that does it just now."""
    journal.adopt(workspace)
    while journal.unclosed(workspace):
        await asyncio.sleep(0.05)
        journal.adopt(workspace)


def _through_aiohttp() -> Transport:
    from farthing.providers.transport.through_aiohttp import AiohttpTransport

    return AiohttpTransport()


def _simulated() -> Transport:
    from farthing.providers.simulator.simulator import Simulator
    from farthing.providers.simulator.transport import SimulatorTransport

    return SimulatorTransport(Simulator())


def spoken() -> dict[str, Protocol]:
    """Every protocol, by name: one file each in `providers/protocols/`."""
    names = (found.name for found in iter_modules(protocols.__path__))
    loaded = (import_module(f"{protocols.__name__}.{name}").PROTOCOL for name in names)
    return {protocol.name: protocol for protocol in loaded}


def _proxy_of(scheme: str, host: str) -> str | None:
    """What HTTPS_PROXY, HTTP_PROXY and NO_PROXY say; never a proxy for this machine itself."""
    if host in {"localhost", "::1"} or host.startswith("127.") or not os.environ:
        return None
    proxies = urllib.request.getproxies_environment()
    if urllib.request.proxy_bypass(host):
        return None
    return proxies.get(scheme)
