"""CPU of the gateway's own steps, without sockets: for work on one of them.

    python -m benchmarks.gateway.line [--calls 20000] [--profile] [--same]

A whole gateway over a fresh workspace, with a key, a hard budget, the cache and the journal, takes
calls straight from here; what stands in for the provider answers at once. What is measured is thus
everything but the two HTTP ends.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import os
import pstats
import tempfile
import time
from collections.abc import MutableMapping
from pathlib import Path
from statistics import median
from typing import Any

import uvloop

from benchmarks.gateway import upstream
from benchmarks.gateway.load import CALLS, HITS, STREAMS, Door
from benchmarks.gateway.targets import farthing as target
from farthing.app import GatewayApp
from farthing.cli.gateway_process import GC_THRESHOLD
from farthing.config import Settings
from farthing.ledger.workspace import Workspace
from farthing.providers.transport.wire import Origin, Request, Timeouts

_HEAD, _, _BODY = (upstream._WHOLE % 0).partition(b"\r\n\r\n")
# Without the framing of HTTP's chunks, which a transport takes off.
*_EARLY, _LAST = [(event % 0).partition(b"\r\n")[2][:-2] for event in upstream._EVENTS]
_EVENTS = [*_EARLY, _LAST.partition(b"\r\n")[0] + b"data: [DONE]\n\n"]


class _Answer:
    """A provider's whole answer, all of it there."""

    status = 200
    ended = False

    def __init__(self) -> None:
        self.headers = [(b"content-type", b"application/json"), (b"content-length", b"300")]

    async def chunk(self) -> bytes:
        self.ended = True
        return _BODY

    def close(self) -> None:
        """Nothing is open."""


class _Stream(_Answer):
    """An answer in events, each of them there when it is asked for."""

    def __init__(self) -> None:
        self.headers = [(b"content-type", b"text/event-stream")]
        self._left = iter(_EVENTS)

    async def chunk(self) -> bytes:
        event = next(self._left)
        self.ended = event is _EVENTS[-1]
        return event


class _AtOnce:
    async def send(self, _origin: Origin, request: Request, _timeouts: Timeouts) -> _Answer:
        return _Stream() if b'"stream":true' in request.body else _Answer()

    async def close(self) -> None:
        """Nothing is open."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=2_000, help="in a round")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--same", action="store_true", help="one call over and over: a hit")
    parser.add_argument("--stream", action="store_true", help="twenty events an answer")
    parser.add_argument("--profile", action="store_true", help="where the time goes, by function")
    with tempfile.TemporaryDirectory() as folder:
        uvloop.run(_run(Path(folder), parser.parse_args()))


async def _run(folder: Path, given: argparse.Namespace) -> None:
    os.environ["FARTHING_BENCH_KEY"] = "sk-upstream"
    (folder / "farthing.toml").write_text(target.SETTINGS.format(upstream=1))
    place = target.Place(folder, 0, 1)
    key = target.made_key(place)
    app = GatewayApp(Workspace.open(folder), Settings.load(folder))
    await app.open()
    app.live.transport = _AtOnce()  # type: ignore[assignment]
    door = Door(1, headers={"authorization": f"Bearer {key}", "user-agent": "bench/1"})
    kind = STREAMS if given.stream else HITS if given.same else CALLS
    render = kind.render(door)
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 50, 100)  # as the gateway's own process does
    for _ in range(2000):
        await _call(app, *_request(render()))
    try:
        if given.profile:
            await _profiled(app, [_request(render()) for _ in range(given.calls)])
            return
        costs: list[float] = []
        for _ in range(given.rounds):
            asked = [_request(render()) for _ in range(given.calls)]
            began = time.thread_time()
            for scope, body in asked:
                await _call(app, scope, body)
            costs.append((time.thread_time() - began) / given.calls * 1e6)
        print(f"{min(costs):.1f} µs a call at best, {median(costs):.1f} in the median")
    finally:
        await app.close()


async def _profiled(app: GatewayApp, asked: list[tuple[dict[str, Any], bytes]]) -> None:
    profile = cProfile.Profile()
    profile.enable()
    for scope, body in asked:
        await _call(app, scope, body)
    profile.disable()
    stats = pstats.Stats(profile)
    stats.sort_stats("tottime").print_stats(60)


def _request(raw: bytes) -> tuple[dict[str, Any], bytes]:
    head, _, body = raw.partition(b"\r\n\r\n")
    _, *lines = head.split(b"\r\n")
    headers = [
        (name.lower(), value) for name, _, value in (each.partition(b": ") for each in lines)
    ]
    scope = {
        "type": "http", "method": "POST", "path": "/v1/chat/completions", "query_string": b"",
        "headers": headers,
    }  # fmt: skip
    return scope, body


async def _call(app: GatewayApp, scope: dict[str, Any], body: bytes) -> None:
    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            assert message["status"] == 200, message

    await app.asgi(scope, receive, send)


if __name__ == "__main__":
    main()
