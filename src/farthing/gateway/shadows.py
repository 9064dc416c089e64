"""What knobs in shadow would have done with a call, counted once its answer is through."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from farthing.domain.money import Money
from farthing.gateway.exchange import Exchange
from farthing.gateway.live import Live
from farthing.policy.rules.route import Choice, Would
from farthing.prices.book import Priced

_learning: set[asyncio.Task[bool]] = set()


def count(x: Exchange, live: Live, choice: Choice) -> None:
    for knob in choice.shadows:
        live.counters.in_shadow(knob)
    for would in choice.shadow:
        if would.tier is not None and not _has_tier(x, live, would):
            continue
        cost = _cost(x, live, would)
        saved = 0 if cost is None or x.cost is None else x.cost.pico - cost.pico
        live.counters.in_shadow(f"route {would.rule}", saved)


def _cost(x: Exchange, live: Live, would: Would) -> Money | None:
    """The tokens that were really used at the other price. None: one of the two is not known.

    Another model counts and answers a little otherwise; only sending it there would tell.
    """
    attempt = x.attempt
    reading = attempt.meter.reading() if attempt is not None and attempt.meter else None
    if reading is None:
        return None
    there, model = live.upstreams.all[would.target.provider], would.target.model
    if not live.prices.knows(there.provider, model):
        _learn(live, there.provider, model)
        return None
    who = {name: value for name, value in x.facts.items() if value}
    who["account"] = there.account or ""
    when = datetime.fromtimestamp(x.began, UTC)
    context = {"service_tier": would.tier} if would.tier else {}
    price = live.book.price(there.provider, model, reading.usage, when, context, who)
    return price.effective if isinstance(price, Priced) else None


def _has_tier(x: Exchange, live: Live, would: Would) -> bool:
    there, protocol = live.upstreams.all[would.target.provider], x.ask.protocol
    choices = live.book.choices(there.provider, would.target.model)
    return (
        x.ask.service_tier is None
        and would.tier in there.kind.tiers.get(protocol, ())
        and would.tier in choices.get("service_tier", ())
    )


def _learn(live: Live, provider: str, model: str) -> None:
    """For the next call: nobody waits for a price that decides nothing."""
    task = asyncio.create_task(live.prices.learn(provider, model))
    _learning.add(task)
    task.add_done_callback(_learning.discard)
