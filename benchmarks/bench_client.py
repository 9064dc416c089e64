"""What a call to a provider costs the processor: our client, aiohttp and a bare socket in turns."""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection as Pipe
from typing import cast

import uvloop

from farthing.providers.transport.http1 import PooledTransport
from farthing.providers.transport.through_aiohttp import AiohttpTransport
from farthing.providers.transport.wire import Origin, Request, Timeouts, Transport

CALLS = 3000
ROUNDS = 15
TARGET_US = 20.0
BODY = b'{"model":"sim-small","messages":[{"role":"user","content":"%b"}]}' % (b"x" * 300)
USAGE = b'{"id":"chatcmpl-1","choices":[],"usage":{"prompt_tokens":9}}'
WHOLE = (
    b"HTTP/1.1 200 OK\r\ndate: Mon, 23 Nov 2026 12:00:00 GMT\r\nserver: simulator\r\n"
    b"content-type: application/json\r\nx-request-id: 0123456789abcdef\r\n"
    b"openai-processing-ms: 12\r\nx-ratelimit-remaining-requests: 9999\r\n"
    b"content-length: %d\r\n\r\n%b"
)
SMALL = WHOLE % (len(USAGE) + 500, USAGE + b" " * 500)
EVENT = b'data: {"id":"chatcmpl-1","choices":[{"delta":{"content":"word "}}]}\n\n'
STREAM = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    + b"".join([b"%x\r\n%b\r\n" % (len(EVENT), EVENT)] * 20)
    + b"0\r\n\r\n"
)
HEADERS = [
    (b"authorization", b"Bearer sk-0123456789abcdef0123456789abcdef"),
    (b"content-type", b"application/json"),
    (b"accept", b"application/json"),
    (b"user-agent", b"OpenAI/Python 2.8.0"),
    (b"x-stainless-lang", b"python"),
]


def main(calls: int) -> None:
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,))
    server.start()
    try:
        port = cast("int", ours.recv())
        uvloop.run(_measure(port, calls))
    finally:
        server.terminate()
        server.join()


async def _measure(port: int, calls: int) -> None:
    origin = Origin("http", "127.0.0.1", port)
    pooled, aiohttp = PooledTransport(), AiohttpTransport()
    bare = await _bare(port)
    for what, path in (("small answer", b"/small"), ("stream of 20 in one read", b"/stream")):
        request = Request(b"POST", path, HEADERS, BODY)
        ways: dict[str, Callable[[], Awaitable[object]]] = {
            "socket": lambda path=path: bare(b"POST %b HTTP/1.1\r\n\r\n%b" % (path, BODY)),
            "ours": lambda request=request: _call(pooled, origin, request),
            "aiohttp": lambda request=request: _call(aiohttp, origin, request),
        }
        took = await _in_turns(ways, calls)
        print(
            f"{what}: {took['ours']:.1f} µs a call, {took['ours'] / TARGET_US:.2f} of the target "
            f"of {TARGET_US:.0f}; aiohttp {took['aiohttp']:.1f}, "
            f"ratio {took['ours'] / took['aiohttp']:.2f}; a bare socket {took['socket']:.1f}"
        )
    await pooled.close()
    await aiohttp.close()


async def _in_turns(
    ways: dict[str, Callable[[], Awaitable[object]]], calls: int
) -> dict[str, float]:
    """The median of rounds, in this process's processor time for a call."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, call in ways.items():
            began = time.process_time()
            for _ in range(calls // ROUNDS):
                await call()
            times[name].append((time.process_time() - began) / (calls // ROUNDS) * 1e6)
    return {name: statistics.median(each) for name, each in times.items()}


async def _call(transport: Transport, origin: Origin, request: Request) -> None:
    answer = await transport.send(origin, request, _TIMEOUTS)
    while not answer.ended:
        await answer.chunk()


async def _bare(port: int) -> Callable[[bytes], Awaitable[object]]:
    """The least that asyncio takes: a write, a read, a wake-up."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_connection(_Bare, "127.0.0.1", port)

    async def call(data: bytes) -> None:
        protocol.waiter = loop.create_future()
        transport.write(data)
        await protocol.waiter

    return call


class _Bare(asyncio.Protocol):
    waiter: asyncio.Future[None]

    def data_received(self, data: bytes) -> None:
        self.waiter.set_result(None)


class _Server(asyncio.Protocol):
    """Answers every read: requests here fit one."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(STREAM if data.startswith(b"POST /stream") else SMALL)


def _serve(port: Pipe) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(_Server, "127.0.0.1", 0)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(serve())


_TIMEOUTS = Timeouts()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else CALLS)
