"""Providers on loopback that say exactly what a test of a transport wants, byte by byte."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from farthing.providers.transport.wire import Answer, Lost, Origin, Request, Timeouts, Transport

SOON = Timeouts(connect=5, first=10, between=10)


class Visit:
    """One connection, as the provider sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def request(self) -> tuple[bytes, bytes]:
        """The next head and body; raises EOFError once there is none."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        lengths = [
            line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
        ]
        length = int(lengths[0].partition(b":")[2]) if lengths else 0
        return head, await self.reader.readexactly(length)

    async def say(self, *parts: bytes) -> None:
        """Each part alone, as far as the kernel plays along."""
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            if len(parts) > 1:
                await asyncio.sleep(0)
                await asyncio.sleep(0)

    def reset(self) -> None:
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


class Provider:
    """What happened at it, and where it is."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.connections = 0
        self.requests: list[bytes] = []


Serve = Callable[[Provider, Visit], Awaitable[None]]


@asynccontextmanager
async def provider(
    serve: Serve,
    *,
    context: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
) -> AsyncIterator[Provider]:
    tasks: set[asyncio.Task[None]] = set()

    async def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        it.connections += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await serve(it, Visit(reader, writer))
        except (EOFError, OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort() if writer.transport.is_closing() else writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(visited, host, 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    it = Provider(Origin("https" if context else "http", host, port))
    try:
        yield it
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def saying(*parts: bytes, then: str = "keep") -> Serve:
    """Answers every request on a connection with the same bytes."""

    async def serve(it: Provider, visit: Visit) -> None:
        while True:
            head, body = await visit.request()
            it.requests.append(head + body)
            await visit.say(*parts)
            if then == "reset":
                await asyncio.sleep(0.01)  # what was said must arrive before
                visit.reset()
            if then != "keep":
                return

    return serve


@asynccontextmanager
async def closing(transport: Transport) -> AsyncIterator[Transport]:
    try:
        yield transport
    finally:
        await transport.close()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def asking(method: str = "POST", body: bytes = b"{}", target: str = "/v1/x") -> Request:
    return Request(method.encode(), target.encode(), [(b"x-test", b"1")], body)


async def ask(
    transport: Transport, it: Provider, request: Request | None = None, timeouts: Timeouts = SOON
) -> bytes:
    return await rest(await transport.send(it.origin, request or asking(), timeouts))


async def rest(answer: Answer) -> bytes:
    parts: list[bytes] = []
    while part := await answer.chunk():
        parts.append(part)
    assert answer.ended
    return b"".join(parts)


Heard = tuple[int, Sequence[tuple[bytes, bytes]], bytes] | None


async def heard(transport: Transport, it: Provider, method: str) -> Heard:
    """Status, headers and body, or None for an answer that was Lost."""
    request = asking(method, b"" if method in {"GET", "HEAD"} else b"{}")
    try:
        answer = await transport.send(it.origin, request, SOON)
        return answer.status, list(answer.headers), await rest(answer)
    except Lost:
        return None
