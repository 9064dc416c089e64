"""Which calls in flight may share one answer."""

from __future__ import annotations

from hashlib import sha256

from farthing.policy.policy import Coalesce
from farthing.policy.rules.answers import BYPASS, ON, SHADOW, Answers, Use, asked
from farthing.policy.rules.match import Facts


class Coalescing:
    """`[coalesce]`, made ready."""

    __slots__ = ("_answers",)

    def __init__(self, knobs: Coalesce) -> None:
        self._answers = Answers(knobs.mode, knobs.where)

    def decide(
        self,
        facts: Facts,
        *,
        repeatable: bool,
        wish: bytes = b"",
        cache_wish: bytes = b"",
        cache_control: bytes = b"",
    ) -> Use:
        """`repeatable`: deterministic, or with an explicit idempotency key.

        `x-farthing-coalesce: off` (`wish`) asks for a call of its own; so does whoever wants a
        fresh answer of the cache.
        """
        use = self._answers.use(facts, repeatable=repeatable)
        if not (wish or cache_wish or cache_control) or (use is not ON and use is not SHADOW):
            return use
        if wish.strip().lower() == b"off":
            return BYPASS
        said = asked(cache_wish, cache_control)
        return use if said is None or said.serve else BYPASS


def flight_key(cache_key: bytes, *, deterministic: bool, idempotency_key: str | None) -> bytes:
    """What calls must have in common to share: `cache_key`, which includes the tenant.

    Where the answer is open, those with an idempotency key share only with the same one: two
    keys ask for two answers.
    """
    if deterministic or idempotency_key is None:
        return cache_key
    return sha256(cache_key + idempotency_key.encode()).digest()
