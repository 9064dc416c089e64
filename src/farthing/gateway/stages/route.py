"""Choose where the call goes, and where next when that fails before its first byte."""

from __future__ import annotations

import asyncio

from farthing.gateway.exchange import Attempt, Exchange, Refusing
from farthing.gateway.live import Live
from farthing.gateway.pipeline import Rest
from farthing.gateway.stages.send import Failed
from farthing.gateway.upstreams import Target
from farthing.policy.rules.route import Choice

_SHOWN = 20


class Route:
    def __init__(self, live: Live) -> None:
        self._live = live

    async def __call__(self, x: Exchange, rest: Rest) -> None:
        choice = self._choice(x)
        x.arm = choice.arm
        targets = [each for each in choice.targets if self._takes(x, each.provider, each.model)]
        if not targets:
            raise Refusing(404, "model_not_found", self._unknown(x))
        x.knobs.retries.began(x.began)
        failed: Failed | None = None
        place = 0
        while True:
            target = targets[place]
            x.attempts += 1
            x.attempt = Attempt(
                x.attempts, Target(self._live.upstreams.all[target.provider], target.model)
            )
            try:
                await rest(x)
            except Failed as failure:
                failed = failure
                if x.knobs.retries.counts(failure.kind):
                    x.knobs.health.failed(target, self._live.now())
                place, wait = self._next(x, failure, place, len(targets))
                if wait is None:
                    break
                if wait:
                    await asyncio.sleep(wait)
            except Refusing:
                # A budget that takes no second attempt leaves the first one's answer standing.
                if failed is None:
                    raise
                break
            else:
                self._went(x, choice, place)
                return
        await failed.answer(x)

    def _choice(self, x: Exchange) -> Choice:
        knobs = x.knobs
        several = len(self._live.upstreams.all) > 1
        return knobs.routers.of(x.ask.protocol).choose(
            x.facts,
            x.session or x.id,
            x.began,
            knobs.health,
            knobs.affinity,
            x.ask.prefix() if several else b"",
        )

    def _takes(self, x: Exchange, provider: str, model: str) -> bool:
        return self._live.upstreams.takes(provider, x.ask.protocol, model)

    def _next(
        self, x: Exchange, failure: Failed, place: int, count: int
    ) -> tuple[int, float | None]:
        """Which target is tried next, and after how many seconds; None: none is."""
        if x.hung_up:
            return place, None
        elsewhere = place + 1 < count
        wait = x.knobs.retries.again(
            failure.kind,
            x.attempts,
            self._live.now(),
            int(x.id[-4:], 16) / 0x10000,
            elsewhere=elsewhere,
            retry_after=failure.retry_after,
        )
        return place + elsewhere, wait

    def _went(self, x: Exchange, choice: Choice, place: int) -> None:
        attempt, target = x.attempt, choice.targets[place]
        if attempt is not None and attempt.first_byte is not None:
            x.knobs.health.answered(target, attempt.first_byte - x.started)
        x.knobs.affinity.went(choice.point, target, x.began)

    def _unknown(self, x: Exchange) -> str:
        known = ", ".join(self._live.upstreams.models()[:_SHOWN])
        hint = f"Known by name: {known}." if known else "Add it to a provider in farthing.toml."
        return f"No configured provider serves {x.ask.model[:200]!r} in this protocol. {hint}"
