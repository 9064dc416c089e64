"""Price what an attempt used, book it, and give back what its hold did not need."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from farthing.budgets.holds import OVER_BOUND
from farthing.domain.call import Status
from farthing.domain.money import Money
from farthing.domain.usage import Usage
from farthing.gateway.exchange import Attempt, Exchange
from farthing.gateway.live import Live
from farthing.gateway.pipeline import Rest
from farthing.gateway.rows import Outcome, settled_row
from farthing.prices.book import Priced
from farthing.providers.reading import Reading

_BYTES_PER_TOKEN = 4
# An answer with one of these is passed on, and never repeated to anybody else.
_DOUBTFUL = {"stream_error", "garbled_stream", "garbled_answer", "overlong_answer"}


class Settle:
    """The only way an attempt ends. Each method books it once; a second call does nothing."""

    def __init__(self, live: Live) -> None:
        self._live = live

    async def __call__(self, x: Exchange, rest: Rest) -> None:
        attempt = x.attempt
        assert attempt is not None
        assert attempt.meter is not None
        reading = attempt.meter.reading()
        if reading is None and x.ask.operation is not None:
            self.gave_up(x, attempt, "cancelled" if x.hung_up else "ok")
        elif reading is not None and not attempt.meter.complete:
            self.gave_up(x, attempt, "cancelled" if x.hung_up else "error")
        else:
            status: Status = "cancelled" if x.hung_up else "ok"
            done = Outcome(status, reading.usage if reading else Usage())
            done.reading = reading
            done.flags.update(attempt.meter.flags)
            if reading is None:
                done.costs(Money.ZERO)
            else:
                done.flags.update(reading.flags)
                self._price(x, attempt, done)
            self._book(x, attempt, done)
            x.whole = not done.flags & _DOUBTFUL
        await rest(x)

    def cost_nothing(self, x: Exchange, attempt: Attempt, flag: str) -> None:
        """Nothing reached the provider, or it refused: an error that used nothing."""
        done = Outcome("error").costs(Money.ZERO)
        done.flags.add(flag)
        self._book(x, attempt, done)

    def gave_up(self, x: Exchange, attempt: Attempt, status: Status) -> None:
        """Nobody knows what it used: the hold under a hard budget, else an estimate."""
        if not attempt.open:
            return
        if x.ask.operation is None:  # counting tokens costs nothing, seen or not
            self._book(x, attempt, Outcome(status).costs(Money.ZERO))
            return
        hold, meter = attempt.hold, attempt.meter
        if hold is not None and any(each.budget.hard for each in hold.sums):
            done = Outcome(status, meter.seen() if meter else Usage())
            done.flags.add("booked_at_hold")
            done.reading = meter.reading() if meter else None
            self._book(x, attempt, done.costs(attempt.hold_amount))
            return
        seen = meter.seen() if meter else Usage()
        if meter is None or meter.reading() is None:
            guess = -(-len(x.body) // _BYTES_PER_TOKEN)
            seen = Usage(input_fresh=guess, output_visible=seen.output_visible)
        done = Outcome(status, seen)
        done.reading = meter.reading() if meter else None
        done.flags.add("estimated")
        if meter is not None:
            done.flags.update(meter.flags)
        self._price(x, attempt, done)
        self._book(x, attempt, done)

    def _price(self, x: Exchange, attempt: Attempt, done: Outcome) -> None:
        upstream, reading = attempt.target.upstream, done.reading
        context = reading.context if reading else {}
        price = self._live.book.price(
            upstream.provider, attempt.target.model, done.usage, _when(x), context, _who(x)
        )
        if isinstance(price, Priced):
            done.list, done.contracted, done.effective = (
                price.list,
                price.contracted,
                price.effective,
            )
            done.price_ids = price.price_ids
            done.flags.update(price.flags)
            self._live.ledger.used(price.price_ids)
        else:
            done.flags.add("unpriced")
            if attempt.hold is not None and attempt.hold_amount:
                done.effective = attempt.hold_amount  # the ceiling that the policy charges
        if reading is not None and reading.reported_usd is not None:
            done.reported = done.effective = Money.of(reading.reported_usd)
        for run in reading.also if reading else ():
            self._add(x, attempt, done, run)

    def _add(self, x: Exchange, attempt: Attempt, done: Outcome, run: Reading) -> None:
        """A further model run that is billed beside the answer's own usage."""
        usage, model = run.usage, run.model or attempt.target.model
        price = self._live.book.price(
            attempt.target.upstream.provider, model, usage, _when(x), run.context, _who(x)
        )
        done.usage = done.usage + usage
        if isinstance(price, Priced) and done.effective is not None and done.list is not None:
            done.list = done.list + price.list
            done.contracted = (done.contracted or Money.ZERO) + price.contracted
            done.effective = done.effective + price.effective
        else:
            done.flags.add("unpriced_units")

    def _book(self, x: Exchange, attempt: Attempt, done: Outcome) -> None:
        if not attempt.open:
            return
        attempt.open = False
        cost, hold = done.effective, attempt.hold
        holds = self._live.holds
        if x.started <= holds.changed_at:
            charged = attempt.hold_amount if hold is not None and cost is None else cost
            if not holds.settle_late(hold, charged.pico if charged else 0, x.facts, x.began):
                done.flags.add(OVER_BOUND)
        elif hold is not None:
            charged = attempt.hold_amount if cost is None else cost
            hard = any(each.budget.hard for each in hold.sums)
            if not holds.settle(hold, charged.pico if charged else 0) and hard:
                done.flags.add(OVER_BOUND)
        x.cost = cost if x.cost is None or cost is None else x.cost + cost
        x.tokens += done.usage.input_tokens + done.usage.output_tokens
        ended = asyncio.get_running_loop().time()
        self._live.ledger.settle(settled_row(x, attempt, done, ended))
        counters, provider = self._live.counters, attempt.target.upstream.name
        counters.attempts[provider, done.status] += 1
        counters.tokens[provider, "input"] += done.usage.input_tokens
        counters.tokens[provider, "output"] += done.usage.output_tokens
        if cost is not None:
            counters.cost_pico[provider] += cost.pico


def _when(x: Exchange) -> datetime:
    return datetime.fromtimestamp(x.began, UTC)


def _who(x: Exchange) -> dict[str, str]:
    return {name: value for name, value in x.facts.items() if value}
