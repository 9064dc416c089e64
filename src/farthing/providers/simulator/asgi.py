"""The simulator as a server of its own: the same scripts, played over real connections."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from socket import SO_LINGER, SOL_SOCKET
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from farthing.providers.simulator.attempts import Attempts
from farthing.providers.simulator.script import Script
from farthing.providers.simulator.simulator import Simulator
from farthing.providers.transport.wire import Request

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
_CONNECTION = "farthing.connection"  # where our protocol puts a request's transport
_AT_ONCE = struct.pack("ii", 1, 0)  # close with a reset in place of a goodbye
_PATIENCE = 200  # looks, a millisecond apart, at whether all was written
_ATTEMPTS = "/sim/attempts"


class Breakable(HttpToolsProtocol):
    """uvicorn's protocol, letting the app at the connection so that it can break it."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {_CONNECTION: self.transport}  # type: ignore[dict-item]


class App:
    def __init__(self, simulator: Simulator, attempts: Attempts) -> None:
        self._simulator = simulator
        self._attempts = attempts

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        if scope["path"] == _ATTEMPTS:
            seen = msgspec.json.encode(self._attempts.seen())
            told = Script(status=200, headers=[(b"content-type", b"application/json")])
            told.chunks = [seen]
            return await _play(told, send, scope["extensions"][_CONNECTION])
        request = Request(scope["method"].encode(), _target(scope), scope["headers"], body)
        script = self._simulator.answer(request)
        attempt = self._attempts.note(request, script) if request.method == b"POST" else None
        connection: asyncio.Transport = scope["extensions"][_CONNECTION]
        await asyncio.sleep(script.latency)
        if script.status:
            await _play(script, send, connection)
        await _end(script, receive, connection)
        if attempt:
            attempt.finished = script.finished
        return None


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _target(scope: Message) -> bytes:
    path, query = scope["raw_path"], scope["query_string"]
    return b"%b?%b" % (path, query) if query else bytes(path)


async def _play(script: Script, send: Send, connection: asyncio.Transport) -> None:
    headers = list(script.headers)
    if not script.streamed and script.ends == "whole":
        headers.append((b"content-length", b"%d" % sum(map(len, script.chunks))))
    await send({"type": "http.response.start", "status": script.status, "headers": headers})
    for number, chunk in enumerate(script.chunks):
        if number and script.pace:
            await asyncio.sleep(script.pace)
        if connection.is_closing():
            return
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    if script.ends == "whole":
        script.finished = not connection.is_closing()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _end(script: Script, receive: Receive, connection: asyncio.Transport) -> None:
    """What a script that is not whole ends with."""
    if script.ends == "hang":
        while (await receive())["type"] != "http.disconnect":
            pass
    elif script.ends == "reset":
        for _ in range(_PATIENCE):
            if connection.is_closing() or not connection.get_write_buffer_size():
                break
            await asyncio.sleep(0.001)
        if not connection.is_closing():
            connection.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, _AT_ONCE)
            connection.abort()
        await asyncio.sleep(0)
