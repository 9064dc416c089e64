"""A provider that costs almost nothing: it answers every chat call at once, and always the same.

    python -m benchmarks.gateway.upstream [--port 9000]

A call that asks for a stream gets twenty events, each in a write of its own, the last with the
usage; any other gets a small completion with usage. One raw protocol on uvloop, about 10 µs a call,
so that what is measured is what stands before it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from itertools import count
from typing import cast

import httptools
import uvloop

WORDS = [f"word-{number:02d}" for number in range(17)]
LAST_WORD = WORDS[-1].encode()
USAGE = {"prompt_tokens": 34, "completion_tokens": 17, "total_tokens": 51}
SERVED = "gpt-4o-mini-2024-07-18"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    uvloop.run(_serve(parser.parse_args().port))


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class _Connection(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.loop = asyncio.get_running_loop()
        self.parser = httptools.HttpRequestParser(self)
        self.body = b""

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_begin(self) -> None:
        self.body = b""

    def on_body(self, part: bytes) -> None:
        self.body += part

    def on_message_complete(self) -> None:
        number = next(_NUMBERS)
        if b'"stream":true' in self.body or b'"stream": true' in self.body:
            self.transport.write(_STREAM_HEAD)
            self._send(number, 0)
        else:
            self.transport.write(_WHOLE % number)

    def _send(self, number: int, index: int) -> None:
        """Each event in a turn of its own, or the loop would send all in one write."""
        if self.transport.is_closing():
            return
        self.transport.write(_EVENTS[index] % number)
        if index + 1 < len(_EVENTS):
            self.loop.call_soon(self._send, number, index + 1)


def _completion() -> bytes:
    message = {"role": "assistant", "content": " ".join(WORDS), "refusal": None}
    body = _json(
        {
            "id": "chatcmpl-%012d",
            "object": "chat.completion",
            "created": 1_790_000_000,
            "model": SERVED,
            "choices": [
                {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
            ],
            "usage": USAGE,
            "system_fingerprint": "fp_0123456789",
        }
    )
    length = len(body % 0)
    return _head(b"application/json", b"content-length: %d\r\n" % length) + body


def _events() -> list[bytes]:
    deltas = [{"role": "assistant", "content": ""}, *({"content": f"{word} "} for word in WORDS)]
    said: list[Sequence[object]] = [
        [{"index": 0, "delta": delta, "finish_reason": None}] for delta in deltas
    ]
    stopped: Sequence[object] = [{"index": 0, "delta": {}, "finish_reason": "stop"}]
    events = [b"data: " + _event(each) + b"\n\n" for each in (*said, stopped, [])]
    *early, last = [b"%x\r\n%s\r\n" % (len(each % 0), each) for each in events]
    return [*early, last + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"]


def _event(choices: Sequence[object]) -> bytes:
    return _json(
        {
            "id": "chatcmpl-%012d",
            "object": "chat.completion.chunk",
            "created": 1_790_000_000,
            "model": SERVED,
            "choices": choices,
            "usage": None if choices else USAGE,
        }
    )


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _head(kind: bytes, framing: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\n%s\r\n" % (kind, framing)


_NUMBERS = count()
_WHOLE = _completion()
_EVENTS = _events()
# nginx passes a stream on as it comes when the upstream says so.
_STREAM_HEAD = _head(
    b"text/event-stream", b"transfer-encoding: chunked\r\nx-accel-buffering: no\r\n"
)

if __name__ == "__main__":
    main()
