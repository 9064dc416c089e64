"""How long each decision about a call takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import count

from farthing.domain.money import Money
from farthing.policy.policy import DEFAULT, Limit, Loop, parse
from farthing.policy.rules.affinity import Affinity
from farthing.policy.rules.answers import Use
from farthing.policy.rules.cache import Caching, cache_key
from farthing.policy.rules.coalesce import Coalescing
from farthing.policy.rules.eviction import Shelf
from farthing.policy.rules.health import Health
from farthing.policy.rules.limit import Limiter, Over
from farthing.policy.rules.loop import LoopGuard, Verdict
from farthing.policy.rules.retry import Retries
from farthing.policy.rules.route import Choice, Router
from farthing.providers.protocol import Ask

ROUNDS, TIMES = 50, 2_000  # short ones, of which the best was not interrupted
BODY = (
    b'{"model":"gpt-4o-mini","messages":[{"role":"system","content":"You answer in one word, '
    b'without any punctuation."},{"role":"user","content":"What is the capital of France, and '
    b'since when? Say it in one word."}],"temperature":0,"max_tokens":100,"user":"u-1",'
    b'"metadata":{"feature":"faq"},"stop":["stop"]}'
)
FACTS = {
    "team": "search",
    "key": "k1",
    "model": "gpt-4o-mini",
    "session_id": "s1",
    "customer": None,
}
ASK = Ask(protocol="openai_chat", operation="chat", model="gpt-4o-mini")
ROUTES = """
[[route]]
from = "gpt-4o*"
to = "small"
share = 0.1
where = "team=search"
[[fallback]]
from = "*"
to = ["b/medium"]
"""
ALL_BOUNDS = Limit(
    requests_per_minute=10**9,
    tokens_per_minute=10**12,
    usd_per_minute=Money.of(10**5),
    concurrency=100,
)
ALL_SIGNS = Loop(usd_per_minute=Money.of(1), context_growth=10)


def main() -> None:
    for name, asked, once in decisions():
        print(f"{name:42}{_seconds(once) * 1e6:6.2f} µs (asked: {asked})")


def decisions() -> Iterator[tuple[str, str, Callable[[], object]]]:
    numbers = count()
    caching, coalescing = Caching(DEFAULT.cache), Coalescing(DEFAULT.coalesce)
    yield f"cache key of {len(BODY)} bytes", "6", _key
    yield "cache: may it be served", "2", lambda: _use(caching)
    yield "coalesce: may it be shared", "2", lambda: coalescing.decide(FACTS, repeatable=True)
    shelf = Shelf(10_000_000)
    yield "cache: put, with an eviction", "–", lambda: _put(shelf, next(numbers))
    free, idle = Limiter(()), LoopGuard(())
    yield "limits: none", "0.3", lambda: _limited(free, 0)
    one = Limiter([Limit(requests_per_minute=10**9)])
    yield "limits: requests, in and out", "2", lambda: _limited(one, next(numbers))
    every = Limiter([ALL_BOUNDS])
    yield "limits: all four, in and out", "2", lambda: _limited(every, next(numbers))
    yield "loop guard: none", "0.3", lambda: _looked(idle, 0)
    watching, wary = LoopGuard(DEFAULT.loops), LoopGuard([ALL_SIGNS])
    yield "loop guard: as by default", "2", lambda: _looked(watching, next(numbers))
    yield "loop guard: calls, spend and growth", "2", lambda: _looked(wary, next(numbers))
    plain = Router(DEFAULT, ["a"], lambda _: ["a"])
    yield "route: no rule, one provider", "0.3", lambda: _routed(plain)
    pool = Router(DEFAULT, ["a", "b", "c"], lambda _: ["a", "b", "c"])
    yield "route: no rule, three providers", "2", lambda: _routed(pool)
    ruled = Router(parse(ROUTES), ["a", "b"], lambda _: ["a"])
    yield "route: a share, a filter and a fallback", "2", lambda: _routed(ruled)
    retries = Retries(DEFAULT.retry)
    yield "retry: counting a call", "2", lambda: retries.began(next(numbers) / 1000)


def _key() -> bytes:
    return cache_key("acme", "openai_chat", "/v1/chat/completions", BODY)


def _use(caching: Caching) -> Use:
    return caching.decide(FACTS, deterministic=True)


def _put(shelf: Shelf, number: int) -> list[bytes]:
    return shelf.put(number.to_bytes(32, "big"), 5000, number % 1000 * 10**6)


def _limited(limiter: Limiter, number: int) -> None:
    now = number / 1000
    admission = limiter.admit(FACTS, now, 100, 1000)
    assert not isinstance(admission, Over)
    limiter.settle(admission, now + 0.5, 50, 500)


def _looked(guard: LoopGuard, number: int) -> Verdict:
    return guard.observe(FACTS, number / 1000, number.to_bytes(32, "big"), ASK, 300)


HEALTH, AFFINITY = Health(DEFAULT.health), Affinity(DEFAULT.affinity)


def _routed(router: Router) -> Choice:
    return router.choose(FACTS, "s1", 1e9, HEALTH, AFFINITY, lambda: BODY[24:200])


def _seconds(once: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(TIMES):
            once()
        best = min(best, time.perf_counter() - began)
    return best / TIMES


if __name__ == "__main__":
    main()
