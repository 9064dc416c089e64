"""Price what an attempt used, book it, and give back what its hold did not need."""

from __future__ import annotations

from time import perf_counter

import msgspec

from farthing.budgets.holds import OVER_BOUND
from farthing.domain.call import Status, fault_of
from farthing.domain.money import Money
from farthing.domain.usage import Usage
from farthing.gateway.exchange import Attempt, Exchange
from farthing.gateway.live import Live
from farthing.gateway.pipeline import Rest
from farthing.gateway.rows import NO_USAGE, Outcome, settled_line
from farthing.prices.book import Priced
from farthing.prices.bound import Bound
from farthing.providers.protocol import NO_LABELS
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
            done = Outcome(status, reading.usage if reading is not None else NO_USAGE)
            done.reading = reading
            if flags := attempt.meter.flags:
                done.flags.update(flags)
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
        meter = attempt.meter
        if attempt.hold is not None and attempt.hard:
            done = Outcome(status, meter.seen() if meter else Usage())
            done.flags.add("booked_at_hold")
            done.reading = meter.reading() if meter else None
            done.flags.update(meter.flags if meter else ())
            self._book(x, attempt, done.costs(attempt.hold_amount))
            return
        reading = meter.reading() if meter else None
        done = Outcome(status, self._estimate(x, attempt, reading))
        done.reading = reading
        done.flags.add("estimated")
        if meter is not None:
            done.flags.update(meter.flags)
        self._price(x, attempt, done)
        self._book(x, attempt, done)

    def _estimate(self, x: Exchange, attempt: Attempt, reading: Reading | None) -> Usage:
        """What the answer said, else by its bytes; never more output than could be asked for."""
        seen = attempt.meter.seen() if attempt.meter else Usage()
        told = reading.usage.output_visible if reading else 0
        if reading is None:
            guess = -(-len(x.body) // _BYTES_PER_TOKEN)
            seen = Usage(input_fresh=guess, output_visible=seen.output_visible)
        most = self._most_output(x, attempt)
        if most is None or seen.output_visible <= max(most, told):
            return seen
        return msgspec.structs.replace(seen, output_visible=max(most, told))

    def _most_output(self, x: Exchange, attempt: Attempt) -> int | None:
        ask, target = x.ask, attempt.target
        cap = attempt.cap if attempt.cap is not None else ask.output_cap
        if cap is None:
            bound = self._live.book.bound(
                target.upstream.provider, target.model, x.when, attempt.post.who,
                ask.service_tier, ask.context,
            )  # fmt: skip
            cap = bound.max_output if isinstance(bound, Bound) else None
        return None if cap is None else cap * ask.choices + ask.extra_output

    def _price(self, x: Exchange, attempt: Attempt, done: Outcome) -> None:
        upstream, reading = attempt.target.upstream, done.reading
        context = reading.context if reading is not None else NO_LABELS
        price = self._live.book.price(
            upstream.provider, attempt.target.model, done.usage, x.when, context, attempt.post.who
        )
        if isinstance(price, Priced):
            done.list, done.contracted, done.effective = (
                price.list,
                price.contracted,
                price.effective,
            )
            done.price_ids = price.price_ids
            if price.flags:
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
        provider, who = attempt.target.upstream.provider, attempt.post.who
        price = self._live.book.price(provider, model, usage, x.when, run.context, who)
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
        cost, live = done.effective, self._live
        self._release(x, attempt, done)
        x.cost = cost if x.cost is None or cost is None else x.cost + cost
        tokens_in, tokens_out = done.usage.input_tokens, done.usage.output_tokens
        x.tokens += tokens_in + tokens_out
        line = settled_line(x, attempt, done, live.time())
        live.ledger.book((x.id, attempt.number), line)
        counters, provider = live.counters, attempt.target.upstream.name
        counters.attempts[provider, done.status] += 1
        counters.tokens[provider, "input"] += tokens_in
        counters.tokens[provider, "output"] += tokens_out
        if cost is not None:
            counters.cost_pico[provider] += cost.pico
        if attempt.sent_at is not None:
            x.at_provider += perf_counter() - attempt.sent_at
            if attempt.first_byte is not None:
                before = attempt.sent_at - x.arrived
                counters.first_byte.add(provider, attempt.first_byte - x.started - before)
        if done.status == "error":
            counters.failures[provider, fault_of(attempt.flags | done.flags)] += 1

    def _release(self, x: Exchange, attempt: Attempt, done: Outcome) -> None:
        """Give back what was held, and count what it cost in the budgets."""
        cost, hold, holds = done.effective, attempt.hold, self._live.holds
        if hold is not None and cost is None:
            cost = attempt.hold_amount
        pico = cost.pico if cost is not None else 0
        if x.started <= holds.changed_at:
            within = holds.settle_late(hold, pico, x.facts, x.began)
        else:
            within = hold is None or holds.settle(hold, pico) or not attempt.hard
        if not within:
            done.flags.add(OVER_BOUND)
