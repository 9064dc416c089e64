"""Choose where the call goes, and where next when that fails before its first byte."""

from __future__ import annotations

import asyncio

from farthing.gateway import shadows
from farthing.gateway.exchange import Attempt, Exchange, Refusing
from farthing.gateway.live import Live
from farthing.gateway.pipeline import Rest
from farthing.gateway.stages.send import Failed
from farthing.gateway.upstreams import Target
from farthing.policy.rules import target as rules
from farthing.policy.rules.route import Choice

_SHOWN = 20
_FULL = 429


class Route:
    def __init__(self, live: Live) -> None:
        self._live = live

    async def __call__(self, x: Exchange, rest: Rest) -> None:
        choice = self._choice(x)
        x.arm = choice.arm
        targets = [each for each in choice.targets if self._takes(x, each.provider, each.model)]
        tier = self._tier(x, choice.tier, targets) if choice.tier else None
        if not targets:
            raise Refusing(404, "model_not_found", self._unknown(x))
        x.knobs.retries.began(x.began)
        failed: Failed | None = None
        place, wait = 0, 0.0
        while True:
            if wait:
                await asyncio.sleep(wait)
            try:
                failure = await self._attempt(x, rest, targets[place], tier)
            except Refusing:
                # A budget that takes no second attempt leaves the first one's answer standing.
                if failed is None:
                    raise
                break
            if failure is None:
                self._went(x, choice, targets[place])
                return
            failed, tier = failure, None
            elsewhere = place + 1 < len(targets)
            pause = self._pause(x, failure, elsewhere=elsewhere)
            if pause is None:
                break
            wait, place = pause, place + elsewhere
        await self._gave_up(x, choice, failed)

    async def _attempt(
        self, x: Exchange, rest: Rest, where: rules.Target, tier: str | None
    ) -> Failed | None:
        """One try at one provider; how it failed, if it did before its first byte."""
        x.attempts += 1
        x.attempt = Attempt(
            x.attempts, Target(self._live.upstreams.all[where.provider], where.model)
        )
        x.attempt.tier = tier
        try:
            await rest(x)
        except Failed as failure:
            # A tier that is full says nothing of its provider.
            if x.knobs.retries.counts(failure.kind) and x.attempt.tier is None:
                x.knobs.health.failed(where, self._live.now())
            return failure
        return None

    def _choice(self, x: Exchange) -> Choice:
        knobs = x.knobs
        return knobs.routers.of(x.ask.protocol).choose(
            x.facts,
            x.session or x.id,
            x.began,
            knobs.health,
            knobs.affinity,
            x.ask.prefix,
        )

    def _tier(self, x: Exchange, tier: str, targets: list[rules.Target]) -> str | None:
        """The tier, where it can be asked for; the next attempt is the same target without it."""
        if not targets or x.ask.service_tier is not None:
            return None
        kind = self._live.upstreams.all[targets[0].provider].kind
        if tier not in kind.tiers.get(x.ask.protocol, ()):
            return None
        targets.insert(0, targets[0])
        return tier

    def _takes(self, x: Exchange, provider: str, model: str) -> bool:
        return self._live.upstreams.takes(provider, x.ask.protocol, model)

    def _pause(self, x: Exchange, failure: Failed, *, elsewhere: bool) -> float | None:
        """Seconds until the next attempt; None: none is made."""
        if x.hung_up:
            return None
        if self._is_full(x, failure):
            return 0.0
        pause = x.knobs.retries.again(
            failure.kind,
            x.attempts,
            self._live.now(),
            int(x.id[-4:], 16) / 0x10000,
            elsewhere=elsewhere,
            retry_after=failure.retry_after,
        )
        if pause is not None and x.knobs.retries.is_shadow:
            self._live.counters.in_shadow("retry")
            return None
        return pause

    def _is_full(self, x: Exchange, failure: Failed) -> bool:
        """Whether only the tier was: many calls meet that together, and it buries nobody."""
        tried = x.attempt is not None and x.attempt.tier is not None
        return tried and failure.kind == _FULL and x.knobs.retries.is_on_for(failure.kind)

    async def _gave_up(self, x: Exchange, choice: Choice, failed: Failed) -> None:
        if choice.spare and x.knobs.retries.counts(failed.kind):
            self._live.counters.in_shadow("fallback")
        await failed.answer(x)

    def _went(self, x: Exchange, choice: Choice, where: rules.Target) -> None:
        attempt = x.attempt
        if attempt is not None and attempt.first_byte is not None:
            x.knobs.health.answered(where, attempt.first_byte - x.started)
        x.knobs.affinity.went(choice.point, where, x.began)
        if choice.shadow or choice.shadows:
            shadows.count(x, self._live, choice)

    def _unknown(self, x: Exchange) -> str:
        known = ", ".join(self._live.upstreams.models()[:_SHOWN])
        hint = f"Known by name: {known}." if known else "Add it to a provider in farthing.toml."
        return f"No configured provider serves {x.ask.model[:200]!r} in this protocol. {hint}"
