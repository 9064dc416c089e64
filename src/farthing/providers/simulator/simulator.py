"""One request in, one Script out; what is random follows from the seed."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from hashlib import blake2b
from itertools import count

from farthing.prices.sources.simulator import FLEX
from farthing.providers.simulator import routes, steering
from farthing.providers.simulator.asked import Asked, too_long
from farthing.providers.simulator.caching import Cached, PromptCache
from farthing.providers.simulator.face import Called, Face
from farthing.providers.simulator.reply import Reply, invent
from farthing.providers.simulator.script import Declined, Script
from farthing.providers.simulator.settings import Settings
from farthing.providers.simulator.steering import Wish
from farthing.providers.transport.wire import Headers, Request

_MOST_STORED = 10_000  # responses that another may go on from
_FAILURES = (429, 500, 503)
_RETRY_SOON: Headers = [(b"retry-after-ms", b"20"), (b"retry-after", b"1")]
_TOO_MANY = 429
_WHOLE = 2**32
_JSON, _EVENTS = b"application/json", b"text/event-stream; charset=utf-8"
_MESSAGES: Mapping[int, str] = {
    401: "The API key is not known to the simulator.",
    429: "Simulated: too many requests.",
    500: "Simulated: the server had an error.",
    503: "Simulated: the server is overloaded.",
}
_CODES: Mapping[int, str] = {401: "invalid_api_key", 429: "rate_limit_exceeded", 404: "not_found"}


class Simulator:
    """Holds what a provider remembers: prompt caches, stored responses, how many calls came.

    `clock` gives seconds since 1970; `entropy` makes this simulator's ids its own.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        clock: Callable[[], float] = time.time,
        entropy: Callable[[], str] = lambda: secrets.token_hex(6),
    ) -> None:
        self.settings = settings or Settings()
        self._clock = clock
        self._own = entropy()
        self._numbers = count(1)
        self._cache = PromptCache()
        self._stored: dict[str, int] = {}

    def answer(self, request: Request) -> Script:
        number = next(self._numbers)
        name = f"{self._own}-{number}"
        line = routes.called(request.method, request.target)
        headers = dict(request.headers)
        whose = routes.vendor(line, headers)
        try:
            self._admit(headers, line)
            wish = steering.wish(headers)
            if wish.error is not None or self._strikes(number, b"error", self.settings.error_rate):
                return self._failed(wish, number, routes.errors(whose), name)
            face = routes.talk(line)
            if face is None:
                made = routes.plain(line, whose)(request.body, line, self.settings.seed)
                script = _whole(name, made.body, _JSON)
                script.model, script.usage = made.model, made.usage
                script.response_id = made.response_id
            else:
                asked = face.read(request.body, line)
                script = self._talk(face, asked, wish, (name, _whose(headers, asked)))
        except Declined as declined:
            return _declined(declined, routes.errors(whose), name)
        except RecursionError:
            deep = Declined(400, "invalid_json", "The body is nested too deeply.")
            return _declined(deep, routes.errors(whose), name)
        return self._as_wished(script, wish, number)

    def _talk(self, face: Face, asked: Asked, wish: Wish, who: tuple[str, bytes]) -> Script:
        name, account = who
        if wish.flex_full and asked.tier == FLEX:
            raise Declined(429, "resource_unavailable", "Simulated: the tier has no room now.")
        now = self._clock()
        earlier = self._earlier(asked)
        texts, thoughts, cut, usage = invent(
            asked,
            seed=self.settings.seed,
            wanted=wish.output_tokens,
            cached=self._cached(asked, account, now),
            earlier=earlier,
        )
        reply = Reply(
            name=name,
            created=int(now),
            asked=asked,
            texts=texts,
            thoughts=thoughts,
            cut=cut,
            usage=usage,
        )
        if asked.stream:
            script = Script(status=200, headers=_headers(name, _EVENTS), streamed=True)
            script.response_id, script.chunks = face.stream(reply)
        else:
            response_id, body = face.whole(reply)
            script = _whole(name, body, _JSON)
            script.response_id = response_id
        script.model, script.usage = reply.model, usage
        self._store(script.response_id or name, usage.input_tokens + usage.output_tokens)
        return script

    def _cached(self, asked: Asked, account: bytes, now: float) -> Cached:
        if asked.blocks is not None:
            return self._cache.of_blocks(account, asked.blocks, now)
        cached = self._cache.of_prefix(account, asked.prompt, asked.lifetime, now)
        return cached if asked.writes_billed else Cached(cached.read)

    def _earlier(self, asked: Asked) -> int:
        """Tokens of the stored response that a request goes on from."""
        if asked.before is None:
            return 0
        earlier = self._stored.get(asked.before)
        if earlier is None:
            what = f"The response {asked.before[:80]!r} is not stored here."
            raise Declined(400, "previous_response_not_found", what, "previous_response_id")
        if earlier + asked.input_tokens > asked.model.context_window:
            raise too_long(asked.model, earlier + asked.input_tokens)
        return earlier

    def _store(self, response_id: str, size: int) -> None:
        self._stored[response_id] = size
        if len(self._stored) > _MOST_STORED:
            del self._stored[next(iter(self._stored))]

    def _admit(self, headers: Mapping[bytes, bytes], line: Called) -> None:
        if self.settings.keys and _key(headers, line) not in self.settings.keys:
            raise Declined(401, _CODES[401], _MESSAGES[401])

    def _failed(self, wish: Wish, number: int, face: Face, name: str) -> Script:
        latency = self.settings.latency_ms / 1000 if wish.latency is None else wish.latency
        if isinstance(wish.error, str):
            return Script(latency=latency, ends=wish.error)
        status = wish.error or _FAILURES[self._dice(number, b"status") % len(_FAILURES)]
        what = _MESSAGES.get(status, f"Simulated: status {status}.")
        script = _declined(Declined(status, _CODES.get(status, "simulated"), what), face, name)
        script.latency = latency
        return script

    def _as_wished(self, script: Script, wish: Wish, number: int) -> Script:
        settings = self.settings
        if wish.stall_after is not None:
            script = script.broken_after(wish.stall_after, "hang")
        if wish.hangup_after is not None:
            script = script.broken_after(wish.hangup_after, "reset")
        elif self._strikes(number, b"hang-up", settings.hangup_rate):
            size = len(script.chunks) if script.streamed else sum(map(len, script.chunks))
            script = script.broken_after(self._dice(number, b"where") % max(size, 1), "reset")
        script.latency = settings.latency_ms / 1000 if wish.latency is None else wish.latency
        script.pace = settings.chunk_ms / 1000 if wish.pace is None else wish.pace
        return script

    def _strikes(self, number: int, what: bytes, rate: float) -> bool:
        return rate > 0 and self._dice(number, what) < rate * _WHOLE

    def _dice(self, number: int, what: bytes) -> int:
        """A number below 2³² that seed and order of calls decide."""
        told = b"%d %d %b" % (self.settings.seed, number, what)
        return int.from_bytes(blake2b(told, digest_size=4).digest())


def _whole(name: str, body: bytes, kind: bytes) -> Script:
    return Script(status=200, headers=_headers(name, kind), chunks=[body])


def _declined(declined: Declined, face: Face, name: str) -> Script:
    body = face.error(declined, _request_id(name))
    headers = _headers(name, _JSON)
    if declined.answer_status == _TOO_MANY:
        headers += _RETRY_SOON
    return Script(status=declined.answer_status, headers=headers, chunks=[body])


def _headers(name: str, kind: bytes) -> Headers:
    told = _request_id(name).encode()
    return [
        (b"content-type", kind),
        (b"x-simulated", b"true"),
        (b"x-request-id", told),
        (b"request-id", told),
    ]


def _request_id(name: str) -> str:
    return f"req_sim_{name}"


def _key(headers: Mapping[bytes, bytes], line: Called) -> str:
    for name in (b"x-api-key", b"x-goog-api-key", b"api-key"):
        if name in headers:
            return headers[name].decode("latin-1")
    if line.query:
        for told in line.query.split("&"):
            if told.startswith("key="):
                return told[4:]
    return headers.get(b"authorization", b"").decode("latin-1").removeprefix("Bearer ")


def _whose(headers: Mapping[bytes, bytes], asked: Asked) -> bytes:
    """Whose prompt cache: a key's, for one model."""
    key = headers.get(b"authorization") or headers.get(b"x-api-key") or b""
    return b"%b %b" % (asked.model.name.encode(), key or headers.get(b"x-goog-api-key", b""))
