"""The back office as a process of its own, started by `farthing up`: `python -m` this file.

It inherits three files: the listening socket, a pipe on which it says `ready`, and a pipe whose
other end its supervisor holds: when that is gone, it ends, too.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import cast

import uvicorn

from farthing.api import logs
from farthing.api.office import Office, app
from farthing.domain.errors import FarthingError
from farthing.gateway.connection import Connection
from farthing.gateway.patience import Patience

MOST_CONNECTIONS = 512
SHUTDOWN_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Pipes:
    """Open files by number; None where nobody waits or watches."""

    ready: int | None = None
    alive: int | None = None


class Server(uvicorn.Server):
    """Uvicorn that says when it accepts, and ends with its supervisor."""

    def __init__(self, config: uvicorn.Config, pipes: Pipes) -> None:
        super().__init__(config)
        self._pipes = pipes

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        open_ = cast("set[Connection]", self.server_state.connections)
        Patience(open_, MOST_CONNECTIONS * 3 // 4).start()
        if self._pipes.alive is not None:
            asyncio.get_running_loop().add_reader(self._pipes.alive, self._look)
        if self.started and self._pipes.ready is not None:
            os.write(self._pipes.ready, b"ready")
            os.close(self._pipes.ready)

    def stop(self, _number: int, _frame: FrameType | None) -> None:
        self.should_exit = True

    def _look(self) -> None:
        assert self._pipes.alive is not None
        if not os.read(self._pipes.alive, 1024):
            asyncio.get_running_loop().remove_reader(self._pipes.alive)
            self.should_exit = True


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or the end of the supervisor. 0, or the code of what went wrong."""
    given = _parser().parse_args(arguments)
    logs.to_stderr()
    try:
        office = Office(given.workspace)
    except FarthingError as error:
        sys.stderr.write(f"farthing: {error}\n")
        return error.exit_code
    server = Server(_config(office), Pipes(given.ready_fd, given.alive_fd))
    # Uvicorn hands a signal on once it has shut down: to us, for whom that is the end in order.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.stop)
    server.run(sockets=[socket.socket(fileno=given.fd)])
    return 0


def _config(office: Office) -> uvicorn.Config:
    settings = office.settings
    return uvicorn.Config(
        app(office),
        http=Connection,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="farthing.cli.office_process", description=__doc__)
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--fd", type=int, required=True, help="the listening socket")
    parser.add_argument("--ready-fd", type=int, help="where to write `ready`")
    parser.add_argument("--alive-fd", type=int, help="ends when the supervisor does")
    return parser


if __name__ == "__main__":
    sys.exit(main())
