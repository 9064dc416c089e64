"""A policy made ready for the providers and keys there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from farthing.access.keyring import Keyring
from farthing.gateway.upstreams import Upstreams
from farthing.policy.policy import Limit, Policy
from farthing.policy.rules.affinity import Affinity
from farthing.policy.rules.cache import Caching
from farthing.policy.rules.coalesce import Coalescing
from farthing.policy.rules.health import Health
from farthing.policy.rules.limit import Limiter
from farthing.policy.rules.loop import LoopGuard
from farthing.policy.rules.retry import Retries
from farthing.policy.rules.route import Router


class Knobs:
    """The pure rules of `policy/rules`, one set for each version of the policy."""

    limiter: Limiter
    loops: LoopGuard

    __slots__ = (
        "affinity", "caching", "coalescing", "health", "limiter", "loops", "policy", "retries",
        "routers", "version",
    )  # fmt: skip

    def __init__(
        self,
        policy: Policy,
        version: str,
        upstreams: Upstreams,
        keyring: Keyring,
        before: Knobs | None = None,
    ) -> None:
        self.policy, self.version = policy, version
        self.caching, self.coalescing = Caching(policy.cache), Coalescing(policy.coalesce)
        self.limiter = Limiter(
            policy.limits, own_limits(keyring), before.limiter if before else None
        )
        self.loops = LoopGuard(policy.loops, before.loops if before else None)
        self.retries, self.health = Retries(policy.retry), Health(policy.health)
        weights = {each.name: each.weight for each in upstreams.all.values()}
        self.affinity = Affinity(policy.affinity, weights)
        if before is not None and before.policy.health == policy.health:
            self.health = before.health  # who is out stays out
        if before is not None and before.policy.affinity == policy.affinity:
            self.affinity = before.affinity  # and warm prompt caches stay known
        self.routers = Routers(policy, upstreams)


class Routers:
    """A router for each protocol: not every provider speaks every one."""

    def __init__(self, policy: Policy, upstreams: Upstreams) -> None:
        self._policy, self._upstreams = policy, upstreams
        self._made: dict[str, Router] = {}

    def of(self, protocol: str) -> Router:
        found = self._made.get(protocol)
        if found is None:
            serving = _serving(self._upstreams, protocol)
            found = self._made[protocol] = Router(self._policy, self._upstreams.all, serving)
        return found


def own_limits(keyring: Keyring) -> Mapping[str, Limit]:
    """The rates that keys bring along."""
    found: dict[str, Limit] = {}
    for key in keyring.all():
        rates = key.rates
        bounds = (rates.requests_per_minute, rates.tokens_per_minute, rates.concurrency)
        if any(bounds) or rates.usd_per_minute is not None:
            found[key.id] = Limit(
                requests_per_minute=rates.requests_per_minute,
                tokens_per_minute=rates.tokens_per_minute,
                usd_per_minute=rates.usd_per_minute,
                concurrency=rates.concurrency,
            )
    return found


def _serving(upstreams: Upstreams, protocol: str) -> Callable[[str], tuple[str, ...]]:
    return lambda model: upstreams.serving(protocol, model)
