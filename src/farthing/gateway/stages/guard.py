"""Slow down or stop who asks too much, or in circles, before it costs anything."""

from __future__ import annotations

import asyncio
from hashlib import sha256

from farthing.gateway.exchange import Exchange, Refusing
from farthing.gateway.live import Live
from farthing.gateway.pipeline import Rest
from farthing.policy.rules.limit import Over

_BYTES_PER_TOKEN = 4


class Guard:
    def __init__(self, live: Live) -> None:
        self._live = live

    async def __call__(self, x: Exchange, rest: Rest) -> None:
        knobs, now = x.knobs, self._live.now()
        if knobs.loops.rules:
            verdict = knobs.loops.observe(x.facts, now, _digest(x), x.ask, len(x.body))
            if verdict.action == "stop":
                raise Refusing(429, "loop_stopped", verdict.reason)
            if verdict.action == "throttle":
                await asyncio.sleep(verdict.seconds)
            elif verdict.action == "shadow":
                self._live.counters.in_shadow("loop")
        tokens = len(x.body) // _BYTES_PER_TOKEN + (x.ask.output_cap or 0)
        admission = knobs.limiter.admit(x.facts, now, tokens)
        if isinstance(admission, Over):
            raise Refusing(429, "rate_limited", admission.reason, retry=True, after=admission.wait)
        x.admission = admission
        if admission.shadows:
            self._live.counters.in_shadow("limit")
        try:
            await rest(x)
        finally:
            cost = x.cost.pico if x.cost is not None else 0
            knobs.limiter.settle(admission, self._live.now(), x.tokens, cost)
            if cost:
                knobs.loops.spent(x.facts, self._live.now(), cost)


def _digest(x: Exchange) -> bytes:
    return sha256(x.body).digest() if x.session is not None else b""
