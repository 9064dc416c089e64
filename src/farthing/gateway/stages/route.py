"""Choose where the call goes, and where next when that fails before its first byte."""

from __future__ import annotations

import asyncio

from farthing.gateway.exchange import Attempt, Exchange, Refusing
from farthing.gateway.live import Live
from farthing.gateway.pipeline import Rest
from farthing.gateway.stages.send import Failed
from farthing.gateway.upstreams import Target


class Route:
    def __init__(self, live: Live) -> None:
        self._live = live

    async def __call__(self, x: Exchange, rest: Rest) -> None:
        targets = self._targets(x)
        retry = x.policy.retry
        tries = 1 + retry.attempts if len(targets) > 1 else 1
        failed: Failed | None = None
        for target in targets[:tries]:
            x.attempts += 1
            x.attempt = Attempt(x.attempts, target)
            try:
                await rest(x)
            except Failed as failure:
                failed = failure
                if x.hung_up or not failure.may_retry(retry):
                    break
                await asyncio.sleep(0)
            except Refusing:
                # A budget that takes no second attempt leaves the first one's answer standing.
                if failed is None:
                    raise
                break
            else:
                return
        assert failed is not None
        await failed.answer(x)

    def _targets(self, x: Exchange) -> tuple[Target, ...]:
        found = self._live.upstreams.serving(x.ask.protocol, x.ask.model)
        if not found:
            raise Refusing(404, "model_not_found", self._unknown(x))
        return found

    def _unknown(self, x: Exchange) -> str:
        known = ", ".join(self._live.upstreams.models()[:20])
        hint = f"Known by name: {known}." if known else "Add it to a provider in farthing.toml."
        return f"No configured provider serves {x.ask.model[:200]!r} in this protocol. {hint}"
