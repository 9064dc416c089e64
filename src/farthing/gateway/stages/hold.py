"""Hold the most that an attempt can cost in every budget it counts in, before a byte leaves."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from farthing.budgets.holds import Hold as Held
from farthing.budgets.holds import Sum
from farthing.domain.errors import Unavailable
from farthing.domain.money import Money
from farthing.gateway.exchange import Attempt, Exchange, Refusing
from farthing.gateway.live import Live
from farthing.gateway.pipeline import Rest
from farthing.gateway.rows import intent_line
from farthing.gateway.stages.settle import Settle
from farthing.prices.book import Unpriced
from farthing.prices.bound import Bound, Unbounded, output_within, worst_case

# Tokens that a provider adds and that are no bytes of ours: roles, and what explains tools.
OVERHEAD, TOOLS_OVERHEAD = 64, 1024
LEARN_SECONDS = 3.0  # for the price of a model that was never asked for before
_USUAL_OUTPUT = 512  # of a call without a cap, for the estimate that recovery books
_BYTES_PER_TOKEN = 4


class Hold:
    def __init__(self, live: Live, settle: Settle) -> None:
        self._live, self._settle = live, settle

    async def __call__(self, x: Exchange, rest: Rest) -> None:
        attempt = x.attempt
        assert attempt is not None
        live, upstream = self._live, attempt.target.upstream
        attempt.post = x.standing.at(upstream)
        x.facts = attempt.post.facts
        if not live.prices.knows(upstream.provider, attempt.target.model):
            with suppress(TimeoutError):  # an unpriced row says more than a call that waits
                async with asyncio.timeout(LEARN_SECONDS):
                    await live.prices.learn(upstream.provider, attempt.target.model)
        if attempt.tier is not None and not self._is_priced(attempt, attempt.tier):
            attempt.tier = None  # a model that does not have it would refuse the call
        sums = live.holds.sums(x.facts, x.began) if x.ask.operation else ()
        attempt.hard = self._is_hard(sums)
        if attempt.hard and live.state_lost:
            raise Refusing(503, "state_unavailable", live.state_lost, retry=True)
        attempt.hold = await self._held(x, attempt, sums)
        try:
            self._intend(x, attempt)
            await rest(x)
        except asyncio.CancelledError:
            self._settle.gave_up(x, attempt, "cancelled")
            raise
        finally:
            if attempt.open and attempt.sent:
                self._settle.gave_up(x, attempt, "error")
            elif attempt.open:
                self._settle.cost_nothing(x, attempt, "not_sent")
            elif attempt.hold is not None and attempt.hold.open:
                live.holds.settle(attempt.hold, 0)

    def _is_priced(self, attempt: Attempt, tier: str) -> bool:
        choices = self._live.book.choices(attempt.target.upstream.provider, attempt.target.model)
        return tier in choices.get("service_tier", ())

    def _is_hard(self, sums: tuple[Sum, ...]) -> bool:
        """Whether one of the budgets is hard. A soft one that is spent would refuse, were it."""
        hard = False
        for each in sums:
            if each.budget.hard:
                hard = True
            elif each.free <= 0:
                self._live.counters.in_shadow("budget")
        return hard

    def _intend(self, x: Exchange, attempt: Attempt) -> None:
        """The intent is durable before anything is sent; without a disk only soft calls go on."""
        ledger = self._live.ledger
        try:
            ledger.intend((x.id, attempt.number), intent_line(x, attempt))
        except Unavailable as error:
            if attempt.hard or ledger.full:
                raise Refusing(
                    503, "journal_unwritable",
                    "The gateway cannot record calls now, and so makes none. Try again later.",
                    retry=True,
                ) from error  # fmt: skip
            attempt.flags.add("no_intent")
        attempt.open = x.booked = True

    async def _held(self, x: Exchange, attempt: Attempt, sums: tuple[Sum, ...]) -> Held | None:
        ask, upstream = x.ask, attempt.target.upstream
        if ask.operation is None:
            attempt.hold_amount = Money.ZERO
            return None
        bound = self._live.book.bound(
            upstream.provider,
            attempt.target.model,
            x.when,
            attempt.post.who,
            attempt.tier or ask.service_tier,
            ask.context,
        )
        most = self._most(x, bound, ask.output_cap)
        if not attempt.hard:
            attempt.hold_amount = self._estimate(x, bound, most)
            return self._live.holds.try_take(sums, _pico(attempt.hold_amount)) if sums else None
        if isinstance(most, Unbounded):
            raise Refusing(400, "unbounded_cost", _unbounded(most.reason, self._tight(sums)))
        if most is None:
            return self._unpriced(x, attempt, sums)
        return await self._fit(x, attempt, sums, (bound, most))

    def _most(
        self, x: Exchange, bound: Bound | Unpriced, cap: int | None
    ) -> Money | Unbounded | None:
        ask = x.ask
        if isinstance(bound, Unpriced):
            return None
        if ask.unbounded:
            return Unbounded(ask.unbounded)
        most = worst_case(
            bound,
            input_bytes=len(x.body) + ask.extra_output,
            overhead=_overhead(x),
            windows=ask.windows,
            choices=ask.choices,
            output_cap=cap,
            has_output=ask.has_output,
            extras=ask.extras,
        )
        if ask.extra_output and isinstance(most, Money):
            most = most + Money(-(-ask.extra_output * ask.choices * bound.output_atto // 10**6))
        return most

    def _estimate(
        self, x: Exchange, bound: Bound | Unpriced, most: Money | Unbounded | None
    ) -> Money | None:
        """What recovery books where no hard budget asks for the worst."""
        if isinstance(bound, Unpriced):
            return None
        cap = x.ask.output_cap
        usual = worst_case(
            bound,
            input_bytes=len(x.body) // _BYTES_PER_TOKEN,
            choices=x.ask.choices,
            output_cap=_USUAL_OUTPUT if cap is None else min(cap, _USUAL_OUTPUT),
            has_output=x.ask.has_output,
        )
        if isinstance(usual, Unbounded):
            return None
        return min(usual, most) if isinstance(most, Money) else usual

    def _unpriced(self, x: Exchange, attempt: Attempt, sums: tuple[Sum, ...]) -> Held | None:
        rule = x.knobs.policy.hold
        name = self._tight(sums)
        if rule.unpriced == "block" or (rule.unpriced == "ceiling" and rule.ceiling_usd is None):
            raise Refusing(
                400, "unpriced_model",
                f"Nobody knows the price of {attempt.target.model!r}, so the hard budget {name!r} "
                "cannot vouch for it. Add a [[prices]] entry, or set unpriced in [hold].",
            )  # fmt: skip
        attempt.flags.add("unpriced")
        amount = rule.ceiling_usd if rule.unpriced == "ceiling" else Money.ZERO
        attempt.hold_amount = amount
        held = self._live.holds.try_take(sums, _pico(amount))
        if held is None:
            raise self._spent(sums)
        return held

    async def _fit(
        self,
        x: Exchange,
        attempt: Attempt,
        sums: tuple[Sum, ...],
        price: tuple[Bound | Unpriced, Money],
    ) -> Held:
        """Take it; else wait for others to settle; else clamp the output; else refuse."""
        bound, most = price
        holds, rule = self._live.holds, x.knobs.policy.hold
        until = 0.0
        while True:
            if held := holds.try_take(sums, most.pico):
                attempt.hold_amount = most
                return held
            until = until or self._live.time() + rule.wait_seconds
            if not (holds.may_fit(sums, most.pico) and await holds.freed(sums, until)):
                break
        assert isinstance(bound, Bound)
        least = self._least(x, bound)
        while least is not None:
            if held := self._clamped(x, attempt, sums, bound):
                return held
            if not (holds.may_fit(sums, least.pico) and await holds.freed(sums, until)):
                break
        raise self._spent(sums)

    def _least(self, x: Exchange, bound: Bound) -> Money | None:
        """What the call costs at most with the smallest output that is still worth having."""
        if not x.ask.has_output or x.ask.extra_output:
            return None
        least = self._most(x, bound, _floor(x))
        return least if isinstance(least, Money) else None

    def _clamped(
        self, x: Exchange, attempt: Attempt, sums: tuple[Sum, ...], bound: Bound
    ) -> Held | None:
        ask, tight = x.ask, self._live.holds.tightest(sums)
        if tight is None or tight.free <= 0:
            return None
        tokens = len(x.body) + _overhead(x) + ask.windows * (bound.context_window or 0)
        left = Money(tight.free)
        cap = output_within(bound, left, input_tokens=tokens, choices=ask.choices)
        if cap < _floor(x):
            return None
        cap = min(cap, ask.output_cap) if ask.output_cap is not None else cap
        amount = self._most(x, bound, cap)
        if not isinstance(amount, Money) or (ask.output_cap is not None and cap >= ask.output_cap):
            return None
        held = self._live.holds.try_take(sums, amount.pico)
        if held is not None:
            attempt.hold_amount, attempt.cap = amount, cap
            attempt.flags.add("clamped")
        return held

    def _tight(self, sums: tuple[Sum, ...]) -> str:
        tight = self._live.holds.tightest(sums)
        return tight.budget.name if tight else ""

    def _spent(self, sums: tuple[Sum, ...]) -> Refusing:
        tight = self._live.holds.tightest(sums)
        assert tight is not None
        name = tight.budget.name
        if tight.blocked:
            text = f"Budget {name!r} is blocked: a call cost more than its stated worst case."
        else:
            text = (
                f"Budget {name!r} cannot cover this call: ${Money(max(tight.free, 0))} of "
                f"${Money(tight.limit)} a {tight.budget.span} is left and not held by other calls."
            )
        return Refusing(
            429,
            "budget_exhausted",
            f"{text} Ask for less output, or raise it: `farthing budget raise {name} --by 10`.",
        )


def _floor(x: Exchange) -> int:
    """The smallest cap that the output may be clamped to."""
    floor = max(x.knobs.policy.hold.min_output_tokens, x.ask.output_floor)
    return floor if x.ask.output_cap is None else min(floor, x.ask.output_cap)


def _overhead(x: Exchange) -> int:
    tools = b'"tools"' in x.body or b'"functions"' in x.body
    return TOOLS_OVERHEAD if tools else OVERHEAD


def _pico(amount: Money | None) -> int:
    return amount.pico if amount is not None else 0


def _unbounded(reason: str, budget: str) -> str:
    return (
        f"The cost of this call has no upper bound ({reason}), so the hard budget {budget!r} "
        "cannot cover it. Cap it (max_tokens, a tool's max_uses), or give the model's "
        "max_output_tokens in a [[prices]] entry."
    )
