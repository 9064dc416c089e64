"""Answer from memory when an equal call was answered before."""

from __future__ import annotations

from hashlib import sha256

from farthing.domain.money import Money
from farthing.gateway.exchange import Exchange, Refusing
from farthing.gateway.live import Live
from farthing.gateway.memory import Kept, kept_from
from farthing.gateway.pipeline import Rest
from farthing.gateway.purges import Whose
from farthing.gateway.recording import MOST_BYTES, Recording
from farthing.gateway.replays import LARGEST, Place, Replay
from farthing.gateway.rows import free_line
from farthing.policy.rules.answers import WISHES, Use
from farthing.policy.rules.cache import cache_keys

_LONGEST_KEY = 256


class Cache:
    def __init__(self, live: Live) -> None:
        self._live, self._answers = live, live.answers

    async def __call__(self, x: Exchange, rest: Rest) -> None:
        if x.ask.operation is None:
            await rest(x)
            return
        use = x.knobs.caching.decide(
            x.facts,
            deterministic=x.ask.deterministic,
            wish=_wish(x),
            cache_control=x.header(b"cache-control") or b"",
        )
        x.cache_key, x.cache_secret = _keys(x)
        x.idempotency_key = _idempotency_key(x)
        if x.idempotency_key is not None and (replay := self._replayed(x, x.idempotency_key)):
            await self._serve(x, replay, b"replayed", "idempotency")
            return
        if use.serve and (kept := await self._found(x, x.cache_key)):
            await self._serve(x, kept, b"hit", "cache")
            return
        x.cache_word = _word(use)
        if use.count and (saved := self._answers.memory.would_save(x.cache_key)) is not None:
            self._live.counters.in_shadow("cache", saved.pico)
        keep = use.keep or x.idempotency_key is not None
        recording, asked = x.record() if keep else None, self._answers.generation
        await rest(x)
        if not x.whole:
            return
        if use.count:
            self._answers.memory.saw(x.cache_key, x.cost or Money.ZERO)
        if recording is not None and not self._answers.purged_since(asked, _whose(x)):
            self._keep(x, use, recording)

    async def _found(self, x: Exchange, key: bytes) -> Kept | None:
        kept = self._answers.get(key, x.began)
        if kept is None and self._answers.may_be_on_disk(key):
            return await self._answers.fetch(key, x.cache_secret, x.began)
        return kept

    def _keep(self, x: Exchange, use: Use, recording: Recording) -> None:
        if recording.status != 200 or recording.size > MOST_BYTES:  # noqa: PLR2004
            return
        if x.attempt is not None and x.attempt.cap is not None:
            return  # shorter than what was asked for
        caching, now, whose = x.knobs.caching, self._live.now(), _whose(x)
        if use.keep and x.cache_key is not None and caching.admits(recording.size):
            kept = kept_from(recording, x.cost, now + caching.ttl, whose)
            self._answers.put(x.cache_key, kept, x.cache_secret)
        if x.idempotency_key is not None and recording.size <= LARGEST:
            until = now + x.knobs.policy.idempotency.seconds
            replay = Replay(_digest(x), kept_from(recording, x.cost, until, whose))
            self._answers.replays.put(_place(x, x.idempotency_key), replay, now)

    def _replayed(self, x: Exchange, key: str) -> Kept | None:
        found = self._answers.replays.get(_place(x, key), x.began)
        if found is None:
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
        line = free_line(x, "ok", self._live.time(), saved=kept.cost, reason=reason)
        self._live.ledger.book((x.id, 0), line)
        headers = [*kept.headers, (b"x-farthing-cost-usd", b"0")]
        if not x.ask.stream:
            size = sum(map(len, kept.chunks))
            headers.append((b"content-length", b"%d" % size))
        await x.reply.start(kept.status, headers)
        for chunk in kept.chunks[:-1]:
            await x.reply.chunk(chunk, last=False)
        await x.reply.chunk(kept.chunks[-1] if kept.chunks else b"", last=True)


def _wish(x: Exchange) -> bytes:
    """What is misspelt must not give an answer to who wanted a fresh one."""
    wish = x.header(b"x-farthing-cache")
    if wish and wish.strip().lower() not in WISHES:
        raise Refusing(
            400, "bad_request",
            f"x-farthing-cache: {wish[:40].decode('latin-1')!r} is no wish. Send off, refresh or "
            "no-store, or leave it out.",
        )  # fmt: skip
    return wish or b""


def _keys(x: Exchange) -> tuple[bytes, bytes]:
    telling = [x.headers[place] for place in x.names.telling]
    return cache_keys(x.tenant, x.ask.protocol, _target(x), x.body, telling)


def _whose(x: Exchange) -> Whose:
    facts, served = x.facts, x.attempt.target.model if x.attempt else None
    return Whose(x.tenant, facts.get("team"), facts.get("customer"), x.ask.model, served)


def _target(x: Exchange) -> str:
    """What the path says of the call, beside its body: Gemini's model, stream and framing."""
    return f"{x.path_model or ''} {x.path_stream:d}{x.path_stream and x.events:d}"


def _digest(x: Exchange) -> bytes:
    return sha256(_target(x).encode() + b"\0" + x.body).digest()


def _place(x: Exchange, key: str) -> Place:
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
