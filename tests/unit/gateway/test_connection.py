"""One caller's connection, over a real socket: who does not read goes, and is not waited for."""

import asyncio
import socket
from contextlib import asynccontextmanager

import uvicorn
from uvicorn.server import ServerState

from farthing.gateway.connection import Connection
from farthing.gateway.patience import IDLE_SECONDS, Patience

REQUEST = b"GET /long HTTP/1.1\r\nhost: x\r\n\r\n"
LARGE = 32 << 20  # more than the sockets' buffers take


@asynccontextmanager
async def connected(app, request=REQUEST):
    """A caller who sent a request, and all connections of the server."""
    config = uvicorn.Config(app, log_config=None, lifespan="off")
    state, loop = ServerState(), asyncio.get_running_loop()

    def protocol():
        return Connection(config, state, {})

    server = await loop.create_server(protocol, "127.0.0.1", 0)
    caller = socket.socket()
    caller.setblocking(False)
    try:
        await loop.sock_connect(caller, server.sockets[0].getsockname())
        await loop.sock_sendall(caller, request)
        yield caller, state.connections
    finally:
        caller.close()
        server.close()


async def until(happened):
    async with asyncio.timeout(5):
        while not happened():
            await asyncio.sleep(0.01)


async def take(caller, size):
    """So many bytes, and more time for the server to send others."""
    async with asyncio.timeout(5):
        while size > 0:
            part = await asyncio.get_running_loop().sock_recv(caller, min(size, 1 << 20))
            assert part, f"cut off {size} bytes too early"
            size -= len(part)
    await asyncio.sleep(0.01)


async def begin(send, *headers):
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def test_a_caller_who_does_not_read_is_let_go_with_what_waits_for_it():
    async def cancelled(scope, receive, send):
        await begin(send)
        await send({"type": "http.response.body", "body": bytes(LARGE), "more_body": True})
        raise asyncio.CancelledError

    async with connected(cancelled) as (_, connections):
        await until(
            lambda: any(each.transport and each.transport.is_closing() for each in connections)
        )
        patience = Patience(connections, 100)
        patience.look(0)
        patience.look(IDLE_SECONDS)
        await until(lambda: not connections)


async def test_a_caller_who_reads_slowly_gets_all_of_it():
    async def whole(scope, receive, send):
        await begin(send, (b"content-length", b"%d" % LARGE))
        await send({"type": "http.response.body", "body": bytes(LARGE)})

    async with connected(whole) as (caller, connections):
        await until(
            lambda: any(each.cycle and each.cycle.response_complete for each in connections)
        )
        patience = Patience(connections, 100)
        for minute in range(3):
            patience.look(minute * IDLE_SECONDS)
            await take(caller, 8 << 20)
        await take(caller, LARGE - (24 << 20))


async def test_a_call_hears_of_the_hang_up_though_another_waits_behind_it():
    heard = []

    async def waits(scope, receive, send):
        await receive()
        heard.append((await receive())["type"])

    async with connected(waits, REQUEST * 2) as (caller, connections):
        await until(lambda: any(each.pipeline for each in connections))
        caller.close()
        await until(lambda: heard)
    assert heard == ["http.disconnect"]


async def test_an_answer_of_unknown_length_to_http_1_0_ends_with_the_connection():
    async def streams(scope, receive, send):
        await begin(send)
        for part in (b"one ", b"two"):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})

    async with connected(streams, b"GET / HTTP/1.0\r\n\r\n") as (caller, _):
        answer = b""
        while part := await asyncio.get_running_loop().sock_recv(caller, 1000):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert body == b"one two"
