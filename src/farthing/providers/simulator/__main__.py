"""Serve the simulator on a port: `python -m farthing.providers.simulator --port 9000`."""

from __future__ import annotations

import argparse
import json
import socket
import sys
from pathlib import Path

import uvicorn

from farthing.providers.simulator.asgi import App, Breakable
from farthing.providers.simulator.attempts import Attempts
from farthing.providers.simulator.settings import Settings
from farthing.providers.simulator.simulator import Simulator

_GRACE_SECONDS = 1


def main(arguments: list[str] | None = None) -> None:
    told = _parser().parse_args(arguments)
    settings = Settings(
        seed=told.seed,
        latency_ms=told.latency_ms,
        chunk_ms=told.chunk_ms,
        error_rate=told.error_rate,
        hangup_rate=told.hangup_rate,
        keys=tuple(told.key),
    )
    listening = socket.create_server((told.host, told.port))
    host, port = listening.getsockname()[:2]
    config = uvicorn.Config(
        App(Simulator(settings), Attempts(told.log)),
        http=Breakable,
        lifespan="off",
        log_level="error",
        access_log=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    sys.stdout.write(json.dumps({"url": f"http://{host}:{port}"}) + "\n")
    sys.stdout.flush()
    uvicorn.Server(config).run(sockets=[listening])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m farthing.providers.simulator")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, help="append a line for each attempt")
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--chunk-ms", type=float, default=0.0)
    parser.add_argument("--error-rate", type=float, default=0.0)
    parser.add_argument("--hangup-rate", type=float, default=0.0)
    parser.add_argument("--key", action="append", default=[], help="accept only these API keys")
    return parser


if __name__ == "__main__":
    main()
