"""Answer from memory when an equal call was answered before."""

from __future__ import annotations

import asyncio
from hashlib import sha256

import msgspec

from farthing.domain.money import Money
from farthing.gateway.exchange import Exchange, Refusing
from farthing.gateway.live import Live
from farthing.gateway.memory import Kept, Memory, kept_from
from farthing.gateway.pipeline import Rest
from farthing.gateway.recording import MOST_BYTES, Recording
from farthing.gateway.rows import free_row
from farthing.policy.rules.answers import Use
from farthing.policy.rules.cache import cache_key, is_telling
from farthing.policy.rules.recent import Recent

MOST_REPLAYS = 2_000
LARGEST_REPLAY = 256 << 10
_LONGEST_KEY = 256


class _Replay(msgspec.Struct, frozen=True):
    """What one idempotency key of one tenant was used for."""

    call: bytes  # the digest of its body
    kept: Kept


class Cache:
    def __init__(self, live: Live, memory: Memory) -> None:
        self._live, self._memory = live, memory
        self._replays: Recent[tuple[str, str, str], _Replay] = Recent(MOST_REPLAYS)

    async def __call__(self, x: Exchange, rest: Rest) -> None:
        if x.ask.operation is None:
            await rest(x)
            return
        use = x.knobs.caching.decide(
            x.facts,
            deterministic=x.ask.deterministic,
            wish=x.header(b"x-farthing-cache") or b"",
            cache_control=x.header(b"cache-control") or b"",
        )
        x.cache_key = _key(x)
        x.idempotency_key = _idempotency_key(x)
        if x.idempotency_key is not None and (replay := self._replayed(x, x.idempotency_key)):
            await self._serve(x, replay, b"replayed", "idempotency")
            return
        if use.serve and (kept := self._memory.get(x.cache_key, x.began)):
            await self._serve(x, kept, b"hit", "cache")
            return
        x.cache_word = _word(use)
        if use.count and (saved := self._memory.would_save(x.cache_key)) is not None:
            self._live.counters.in_shadow("cache", saved.pico)
        keep = use.keep or x.idempotency_key is not None
        recording = x.record() if keep else None
        await rest(x)
        if x.cost is not None and x.whole:
            if use.count:
                self._memory.saw(x.cache_key, x.cost)
            if recording is not None:
                self._keep(x, use, recording)

    def _keep(self, x: Exchange, use: Use, recording: Recording) -> None:
        if recording.status != 200 or recording.size > MOST_BYTES:  # noqa: PLR2004
            return
        if x.attempt is not None and x.attempt.cap is not None:
            return  # shorter than what was asked for
        caching = x.knobs.caching
        model = x.attempt.target.model if x.attempt else None
        if use.keep and x.cache_key is not None and caching.admits(recording.size):
            kept = kept_from(recording, x.cost, self._live.now() + caching.ttl, model)
            self._memory.put(x.cache_key, kept)
        if x.idempotency_key is not None and recording.size <= LARGEST_REPLAY:
            until = self._live.now() + x.knobs.policy.idempotency.seconds
            kept = kept_from(recording, x.cost, until, model)
            self._replays.put(_place(x, x.idempotency_key), _Replay(_digest(x), kept))

    def _replayed(self, x: Exchange, key: str) -> Kept | None:
        found = self._replays.get(_place(x, key))
        if found is None or found.kept.until <= x.began:
            return None
        if found.call != _digest(x):
            raise Refusing(
                422, "idempotency_mismatch",
                "This idempotency key was used for another body. Send a new key with a new call.",
            )  # fmt: skip
        return found.kept

    async def _serve(self, x: Exchange, kept: Kept, word: bytes, reason: str) -> None:
        x.cache_word = word
        saved = kept.cost or Money.ZERO
        self._live.counters.saved_pico[reason] += saved.pico
        ended = asyncio.get_running_loop().time()
        self._live.ledger.settle(free_row(x, "ok", ended, saved=kept.cost, reason=reason))
        headers = [*kept.headers, (b"x-farthing-cost-usd", b"0")]
        if not x.ask.stream:
            size = sum(map(len, kept.chunks))
            headers.append((b"content-length", b"%d" % size))
        await x.reply.start(kept.status, headers)
        for chunk in kept.chunks[:-1]:
            await x.reply.chunk(chunk, last=False)
        await x.reply.chunk(kept.chunks[-1] if kept.chunks else b"", last=True)


def _key(x: Exchange) -> bytes:
    telling = [each for each in x.headers if is_telling(each[0])]
    return cache_key(x.tenant, x.ask.protocol, _target(x), x.body, telling)


def _target(x: Exchange) -> str:
    """What the path says of the call, beside its body: Gemini's model, stream and framing."""
    return f"{x.path_model or ''} {x.path_stream:d}{x.path_stream and x.events:d}"


def _digest(x: Exchange) -> bytes:
    return sha256(_target(x).encode() + b"\0" + x.body).digest()


def _place(x: Exchange, key: str) -> tuple[str, str, str]:
    return x.tenant, x.ask.protocol, key


def _idempotency_key(x: Exchange) -> str | None:
    key = x.said(b"idempotency-key")
    if key is not None and len(key) > _LONGEST_KEY:
        raise Refusing(
            400, "bad_request", f"An idempotency key has at most {_LONGEST_KEY} characters."
        )
    return key


def _word(use: Use) -> bytes:
    return {"on": b"miss", "shadow": b"shadow"}.get(use.word, b"bypass")
