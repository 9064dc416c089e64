"""The gateway's own process, which `farthing up` starts: nothing in it can run a query."""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import cast

import uvicorn

from farthing.api import logs
from farthing.app import SIMULATED, GatewayApp
from farthing.config import Settings
from farthing.domain.errors import FarthingError, Unavailable
from farthing.gateway.connection import Connection, most_connections
from farthing.gateway.patience import Patience
from farthing.ledger.workspace import GATEWAY_LOCK, Workspace, try_flock

TAKEOVER_SECONDS = 40.0  # a gateway that drains may take so long to end
GC_THRESHOLD = 100_000


def main() -> None:
    asked = _arguments()
    logs.to_stderr(logging.WARNING)
    try:
        with uvicorn_loop() as runner:
            runner.run(serve(asked))
    except FarthingError as error:
        sys.stderr.write(f"farthing: {error}\n")
        sys.exit(error.exit_code)


def uvicorn_loop() -> asyncio.Runner:
    import uvloop

    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


async def serve(asked: argparse.Namespace) -> None:
    for handle in (asked.fd, asked.ready_fd, asked.alive_fd):
        os.set_inheritable(handle, False)  # noqa: FBT003  or our child would keep the port open
    workspace = Workspace.open(asked.workspace)
    settings = Settings.load(workspace.root)
    if not any(each.kind for each in settings.providers.values()):
        settings = with_simulator(settings)
    lock = await _only_one(workspace.root)
    app = GatewayApp(workspace, settings)
    await app.open()
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 50, 100)
    server = _Server(_configured(app, settings))
    server.on_exit = partial(setattr, app.live, "draining", True)  # noqa: FBT003
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn hands a signal on once it has shut down; it must not end us before the books do.
        signal.signal(number, _nothing)
    told = asyncio.create_task(_tell(server, asked.ready_fd))
    patience = Patience(_open_to(server), most_connections() * 3 // 4)
    patience.start()
    asyncio.get_running_loop().add_reader(asked.alive_fd, _orphaned, server, asked.alive_fd)
    try:
        await server.serve([socket.socket(fileno=asked.fd)])
    finally:
        told.cancel()
        patience.stop()
        await app.close()
        os.close(lock)


def _open_to(server: uvicorn.Server) -> set[Connection]:
    return cast("set[Connection]", server.server_state.connections)


class _Server(uvicorn.Server):
    """Tells the gateway that it drains, before the first connection is closed."""

    on_exit: Callable[[], None]

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.on_exit()
        super().handle_exit(sig, frame)


def _nothing(*_: object) -> None:
    """What a signal does before uvicorn listens, and after."""


def with_simulator(settings: Settings) -> Settings:
    import msgspec

    return msgspec.structs.replace(settings, providers={**settings.providers, **SIMULATED})


def _configured(app: GatewayApp, settings: Settings) -> uvicorn.Config:
    told = settings.gateway
    return uvicorn.Config(
        app.asgi,
        http=Connection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=bool(told.trusted_proxies),
        forwarded_allow_ips=list(told.trusted_proxies),
        timeout_graceful_shutdown=told.drain_seconds,
        ssl_certfile=told.tls_cert,
        ssl_keyfile=told.tls_key,
    )


async def _only_one(root: Path) -> int:
    handle = os.open(root / GATEWAY_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    fcntl.fcntl(handle, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    until = asyncio.get_running_loop().time() + TAKEOVER_SECONDS
    if not try_flock(handle):
        sys.stderr.write(f"farthing: another gateway serves {root}; waiting for it to end.\n")
    while not try_flock(handle):
        if asyncio.get_running_loop().time() > until:
            raise Unavailable(f"Another gateway serves {root}. Stop it, or use another workspace.")
        await asyncio.sleep(0.05)
    return handle


async def _tell(server: uvicorn.Server, ready: int) -> None:
    while not server.started:
        await asyncio.sleep(0.01)
    os.write(ready, b"ready")
    os.close(ready)


def _orphaned(server: _Server, alive: int) -> None:
    """The supervisor has gone: finish what is in flight and end."""
    with suppress(BlockingIOError):
        if os.read(alive, 1):
            return
        asyncio.get_running_loop().remove_reader(alive)
        server.on_exit()
        server.should_exit = True


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m farthing.cli.gateway_process")
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--fd", type=int, required=True, help="the listening socket")
    parser.add_argument("--ready-fd", type=int, required=True)
    parser.add_argument("--alive-fd", type=int, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
