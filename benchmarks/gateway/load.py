"""Calls in number over connections that stay open, each answer checked and, if asked, timed."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import cast

import httptools

from benchmarks.gateway.upstream import LAST_WORD

_NUMBERS = count(int(time.time()) % 1_000_000 * 1_000_000)  # no two runs ask the same


@dataclass(frozen=True)
class Door:
    """Where a server takes calls, and what it wants to see in them."""

    port: int
    path: str = "/v1/chat/completions"
    model: str = "gpt-4o-mini"
    headers: Mapping[str, str] = field(default_factory=dict)
    host: str = "127.0.0.1"


@dataclass(frozen=True)
class Kind:
    """One sort of call: whole or streamed, each new or always the same."""

    name: str
    stream: bool = False
    same: bool = False
    temperature: float = 0.0  # what an exact cache looks up

    def render(self, door: Door) -> Callable[[], bytes]:
        """Makes the bytes of the next call; all are of one length."""
        body: dict[str, object] = {
            "model": door.model,
            "messages": [
                {"role": "system", "content": "You answer support questions in one sentence."},
                {"role": "user", "content": "Where is my parcel, number 0000000000000000?"},
            ],
            "temperature": self.temperature,
            "max_tokens": 64,
        }
        if self.stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        text = json.dumps(body, separators=(",", ":")).encode()
        shown = {
            "host": f"{door.host}:{door.port}",
            "content-type": "application/json",
            **door.headers,
            "content-length": str(len(text)),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in shown.items())
        whole = f"POST {door.path} HTTP/1.1\r\n{head}\r\n".encode() + text
        if self.same:
            return lambda: whole
        before, _, after = whole.partition(b"0" * 16)
        return lambda: b"%s%016d%s" % (before, next(_NUMBERS), after)


CALLS = Kind("calls")
NOT_CACHEABLE = Kind("calls that no cache keeps", temperature=0.7)
STREAMS = Kind("streams", stream=True)
HITS = Kind("the same call", same=True)


@dataclass
class Taken:
    """What a load took."""

    good: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def failed(self) -> int:
        return sum(self.failures.values())


def percentiles(latencies: Iterable[float]) -> tuple[float, float]:
    """The median and the 99th, in milliseconds."""
    ranked = sorted(latencies) or [0.0]
    return ranked[len(ranked) // 2] * 1e3, ranked[len(ranked) * 99 // 100] * 1e3


class Load:
    """Connections to one server, opened once, on which calls of one kind go out."""

    def __init__(self, door: Door, kind: Kind) -> None:
        self.door, self.kind = door, kind
        self.render = kind.render(door)
        self.connections: list[_Connection] = []
        self.taken = Taken()
        self._left = 0
        self._until = 0.0
        self._busy = 0
        self._idle = asyncio.Event()

    async def open(self, connections: int) -> Load:
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            _, made = await loop.create_connection(
                lambda: _Connection(self), self.door.host, self.door.port
            )
            self.connections.append(made)
        return self

    async def closed_loop(self, calls: int, seconds: float) -> Taken:
        """Every connection asks again as soon as it is answered, up to so many calls or seconds."""
        self._begin(calls, seconds)
        for each in self.connections:
            self.next(each)
        return await self._end(seconds)

    async def open_loop(self, rate: float, seconds: float) -> Taken:
        """Calls go out at a steady rate whatever the answers do; each is timed."""
        self._begin(0, seconds)
        began = time.perf_counter()
        for number in range(int(rate * seconds)):
            wait = began + number / rate - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            free = next((each for each in self.connections if not each.began), None)
            if free is None:
                self.taken.failures["no connection was free"] += 1
            else:
                self._ask(free)
        return await self._end(seconds)

    def close(self) -> None:
        for each in self.connections:
            each.transport.abort()

    def next(self, connection: _Connection) -> None:
        if self._left > 0 and time.perf_counter() < self._until:
            self._left -= 1
            self._ask(connection)

    def done(self, connection: _Connection, failure: str, latency: float) -> None:
        self._busy -= 1
        if failure:
            self.taken.failures[failure] += 1
        else:
            self.taken.good += 1
            self.taken.latencies.append(latency)
        if connection.transport.is_closing():
            self.connections.remove(connection)
        else:
            self.next(connection)
        if not self._busy:
            self._idle.set()

    def _ask(self, connection: _Connection) -> None:
        self._busy += 1
        self._idle.clear()
        connection.ask(self.render())

    def _begin(self, calls: int, seconds: float) -> None:
        self.taken, self._left = Taken(), calls
        self._until = time.perf_counter() + seconds
        self._busy = 0
        self._began = time.perf_counter()

    async def _end(self, seconds: float) -> Taken:
        try:
            if self._busy:
                await asyncio.wait_for(self._idle.wait(), seconds + 30)
        except TimeoutError:
            self.taken.failures["no answer"] += self._busy
        self.taken.seconds = time.perf_counter() - self._began
        return self.taken


class _Connection(asyncio.Protocol):
    def __init__(self, load: Load) -> None:
        self.load = load
        self.stream = load.kind.stream
        self.began = 0.0  # 0 when nothing is under way

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.parser = httptools.HttpResponseParser(self)

    def ask(self, call: bytes) -> None:
        self.body: list[bytes] = []
        self.began = time.perf_counter()
        self.transport.write(call)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, part: bytes) -> None:
        self.body.append(part)

    def on_message_complete(self) -> None:
        took = time.perf_counter() - self.began
        failure = self._failure(b"".join(self.body))
        self.began = 0.0
        self.load.done(self, failure, took)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.began:
            self.began = 0.0
            self.load.done(self, "connection lost", 0.0)
        elif self in self.load.connections:
            self.load.connections.remove(self)

    def _failure(self, body: bytes) -> str:
        if self.parser.get_status_code() != 200:
            return f"{self.parser.get_status_code()} {body[:200].decode('utf-8', 'replace')}"
        if LAST_WORD not in body:
            return f"another answer: {body[:200].decode('utf-8', 'replace')}"
        if self.stream and b"[DONE]" not in body[-40:]:
            return f"an unfinished stream: {body[-80:].decode('utf-8', 'replace')}"
        return ""
