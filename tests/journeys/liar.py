"""A provider that misbehaves as its callers ask for: the first message names how."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

OK = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\n"
EVENTS = (
    b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
MEBIBYTE = 1 << 20


def answer(usage: Any = USAGE, text: str = "Hi") -> bytes:
    return json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "model": "gpt-4o-mini",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}}],
            **({} if usage is None else {"usage": usage}),
        }
    ).encode()


def whole(body: bytes, fields: bytes = b"", length: int | None = None) -> bytes:
    told = len(body) if length is None else length
    return OK + fields + b"content-length: %d\r\n\r\n" % told + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(text: str | None = "Hi", usage: Any = None) -> bytes:
    choices = [] if text is None else [{"index": 0, "delta": {"content": text}}]
    told = {"id": "chatcmpl-1", "model": "gpt-4o-mini", "choices": choices, "usage": usage}
    return chunk(b"data: " + json.dumps(told).encode() + b"\n\n")


DONE = chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"


class Visitor:
    """A connection of the gateway's. Whoever says more than it wants to hear is stopped."""

    def __init__(self, wire: socket.socket) -> None:
        self._wire = wire

    def say(self, *parts: bytes) -> None:
        for part in parts:
            self._wire.sendall(part)

    def reset(self) -> None:
        time.sleep(0.05)  # what was said must arrive before
        self._wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._wire.close()

    def for_long(self, part: bytes, pause: float = 0.0, seconds: float = 20.0) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.say(part)
            time.sleep(pause)


Behaviour = Callable[[Visitor], None]


def saying(*parts: bytes, reset: bool = False) -> Behaviour:
    def behave(visitor: Visitor) -> None:
        visitor.say(*parts)
        if reset:
            visitor.reset()

    return behave


def _huge(visitor: Visitor) -> None:
    visitor.say(OK + b"content-length: %d\r\n\r\n" % (100 * MEBIBYTE))
    visitor.say(b'{"a":"' + b"x" * (MEBIBYTE - 6))
    for _ in range(99):
        visitor.say(b"x" * MEBIBYTE)


def _never_ends(visitor: Visitor) -> None:
    visitor.say(EVENTS)
    visitor.for_long(event("word " * 100))


def _informs(visitor: Visitor) -> None:
    visitor.for_long(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")


def _drips(visitor: Visitor) -> None:
    said = EVENTS + event() + event(None, USAGE) + DONE
    for at in range(0, len(said), 40):
        visitor.say(said[at : at + 40])
        time.sleep(0.05)


def _silent(_: Visitor) -> None:
    time.sleep(6)


BEHAVIOURS: dict[str, Behaviour] = {
    "well": saying(whole(answer())),
    "well, streaming": saying(EVENTS, event(), event(None, USAGE), DONE),
    "in drops": _drips,
    # nothing that could be an answer
    "reset at once": saying(reset=True),
    "close at once": saying(),
    "silence": _silent,
    "garbage": saying(b"\x00\xff no HTTP\r\n\r\n"),
    "a head of a megabyte": saying(OK + b"x-a: " + b"a" * MEBIBYTE + b"\r\n\r\n"),
    "hints for ever": _informs,
    "another protocol": saying(b"HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\nabc"),
    "a redirect": saying(
        b"HTTP/1.1 307 Elsewhere\r\nlocation: http://127.0.0.1:1/v1\r\n"
        b"connection: close\r\ncontent-length: 0\r\n\r\n"
    ),
    # whole answers that are not
    "too short": saying(whole(answer(), length=len(answer()) + 10)),
    "too long": saying(whole(answer(), length=len(answer()) - 10)),
    "reset in the middle": saying(whole(answer()[:40], length=len(answer())), reset=True),
    "two lengths": saying(whole(answer(), b"content-length: 5\r\n")),
    "no JSON": saying(whole(b"<html>Sorry</html>")),
    "packed": saying(whole(b"\x1f\x8b\x08" + b"\x00" * 40, b"content-encoding: gzip\r\n")),
    "100 MB": _huge,
    "trailers": saying(
        OK + b"transfer-encoding: chunked\r\n\r\n" + chunk(answer())
        + b"0\r\nx-farthing-cache: hit\r\nset-cookie: a=b\r\n\r\n"
    ),
    "our own headers": saying(
        whole(answer(), b"x-farthing-request-id: 1\r\nset-cookie: a\r\nx-farthing-cost-usd: 9\r\n")
    ),
    # streams that are not
    "a stream reset": saying(EVENTS, event(), reset=True),
    "a stream cut off": saying(EVENTS, event()),
    "a stream without usage": saying(EVENTS, event(), DONE),
    "a stream of garbage": saying(EVENTS, chunk(b"data: {no\n\ndata: \xff\xfe\n\n"), DONE),
    "a stream that never ends": _never_ends,
    # usage that is none
    "no usage": saying(whole(answer(None))),
    "usage below zero": saying(whole(answer({**USAGE, "completion_tokens": -3}))),
    "usage beyond sense": saying(whole(answer({**USAGE, "completion_tokens": 10**15}))),
    "usage in words": saying(whole(answer({**USAGE, "completion_tokens": "three"}))),
    "usage as a list": saying(whole(answer([1, 2]))),
    "more cached than asked": saying(
        whole(answer({**USAGE, "prompt_tokens_details": {"cached_tokens": 10**6}}))
    ),
    # usage that is odd
    "usage twice": saying(
        EVENTS, event(), event(None, USAGE), event(None, {**USAGE, "completion_tokens": 4}), DONE
    ),
    "usage in the first event": saying(EVENTS, event("Hi", USAGE), event(), DONE),
    "usage after the end": saying(
        EVENTS, event(), chunk(b"data: [DONE]\n\n"), event(None, USAGE), b"0\r\n\r\n"
    ),
    "usage above the bound": saying(whole(answer({**USAGE, "completion_tokens": 10**6}))),
}  # fmt: skip


class Liar:
    def __init__(self) -> None:
        self._door = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._door.getsockname()[1]}/v1"
        self.asked: list[str] = []  # how, one for each request that came
        self.left: list[str] = []  # whose answers the gateway did not want to the end

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                wire, _ = self._door.accept()
                threading.Thread(target=self._visited, args=(wire,), daemon=True).start()

    def close(self) -> None:
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()

    def _visited(self, wire: socket.socket) -> None:
        with wire, suppress(OSError, EOFError):
            how = json.loads(_body(wire))["messages"][0]["content"]
            self.asked.append(how)
            try:
                BEHAVIOURS[how](Visitor(wire))
            except OSError:
                self.left.append(how)


def _body(wire: socket.socket) -> bytes:
    got = b""
    while b"\r\n\r\n" not in got:
        got += _more(wire)
    head, _, body = got.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    while len(body) < int(fields[b"content-length"]):
        body += _more(wire)
    return body


def _more(wire: socket.socket) -> bytes:
    part = wire.recv(65536)
    if not part:
        raise EOFError
    return part


@contextmanager
def liar() -> Iterator[Liar]:
    running = Liar()
    threading.Thread(target=running.serve, daemon=True).start()
    try:
        yield running
    finally:
        running.close()
