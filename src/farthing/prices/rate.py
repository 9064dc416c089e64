"""Prices as whole numbers per bucket, so that a charge is one sum, and SQL can do it too."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime

import msgspec

from farthing.domain.money import Money, round_half_even
from farthing.domain.usage import BUCKETS, Usage
from farthing.prices.tariff import Tariff
from farthing.prices.units import ATTO_PER_PICO, COUNTED_BY, units

# A call counted something that has no price here: what it cost is not all in the charge.
UNPRICED_UNITS = "unpriced_units"


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """What one count of each thing costs, where this row applies, in attodollars (10⁻¹⁸ USD).

    The keys of `list` and `contracted` are the six buckets of a Usage, `requests` (one a call)
    and the units of Usage.details. A detail that is part of a bucket (`input_audio_tokens`) has
    what it costs *more* than the bucket's rate, which may be negative. The charge is

        max(0, Σ max(count, 0) · rate + requests)      rounded once, half even, to picodollars

    where `minimums` raise a count above 0. Of the rows of one (provider, model, context,
    contract) at most one applies to a call: since ≤ time < until, from_minute ≤ minute of the
    UTC day < to_minute, ISO weekday in `weekdays`, above < total input tokens ≤ upto; None is
    open. `price_id` is derived from all of it.
    """

    price_id: str
    provider: str
    model: str
    context: Mapping[str, str]  # only what changes this model's price
    contract: int  # 0: none, else Book.contracts[contract - 1]
    since: datetime | None
    until: datetime | None
    from_minute: int | None
    to_minute: int | None
    weekdays: tuple[int, ...] | None
    above: int | None
    upto: int | None
    list: Mapping[str, int]
    contracted: Mapping[str, int]
    minimums: Mapping[str, int]
    source: str
    flags: tuple[str, ...]
    priced: tuple[str, ...] = ()  # units that have a price, be it 0; none at all: it is free

    def answers_for(self, unit: str) -> bool:
        """Whether a count of this is charged for, or known to cost nothing.

        A modality's tokens are charged within their bucket, an extra is charged for itself.
        """
        if unit in BUCKETS:
            return not self.priced or any(unit in COUNTED_BY.get(u, ()) for u in self.priced)
        known = units().get(unit)
        if known is None or known.is_token:
            return known is not None
        theirs = (units()[name].dimensions for name in self.priced)
        return any(d <= known.dimensions or d >= known.dimensions for d in theirs)


def rate(
    tariff: Tariff, contracted: Tariff, whose: tuple[str, str], context: Mapping[str, str], n: int
) -> Rate:
    """Compile a list tariff and what contract number `n` makes of it."""
    body = Rate(
        price_id="",
        provider=whose[0],
        model=whose[1],
        context=dict(sorted(context.items())),
        contract=n,
        since=tariff.since,
        until=tariff.until,
        from_minute=tariff.from_minute,
        to_minute=tariff.to_minute,
        weekdays=tariff.weekdays,
        above=tariff.above,
        upto=tariff.upto,
        list=per_bucket(tariff.prices),
        contracted=per_bucket(contracted.prices),
        minimums=dict(sorted(tariff.minimums.items())),
        source=contracted.source,
        flags=contracted.flags,
        priced=tuple(sorted(contracted.prices)),
    )
    return msgspec.structs.replace(body, price_id=_identity(body))


def per_bucket(prices: Mapping[str, int]) -> dict[str, int]:
    """From nested unit prices, where the most specific wins, to one rate for each count.

    Follows genai-prices: a priced unit bills what no priced part of it bills already.
    """
    billed = _billed_counts(frozenset(prices))
    counts: dict[str, int] = {}
    for unit, price in prices.items():
        for count, times in billed[unit].items():
            for part in COUNTED_BY.get(count, (count,)):
                counts[part] = counts.get(part, 0) + price * times
    return {name: counts[name] for name in (*BUCKETS, *sorted(counts)) if counts.get(name)}


def charge(rates: Mapping[str, int], minimums: Mapping[str, int], usage: Usage) -> Money:
    """The documented rule of `Rate`, to the letter; `book` has the fast one."""
    counts = {name: getattr(usage, name) for name in BUCKETS} | {
        unit: count for unit, count in usage.details.items() if unit not in COUNTED_BY
    }
    counts |= {u: max(counts[u], least) for u, least in minimums.items() if counts.get(u, 0) > 0}
    total = sum(max(count, 0) * rates.get(name, 0) for name, count in counts.items())
    total += rates.get("requests", 0)
    return Money(round_half_even(max(total, 0), ATTO_PER_PICO))


def _billed_counts(priced: frozenset[str]) -> dict[str, dict[str, int]]:
    """For each priced unit, the reported counts it bills: its own, less its priced parts'."""
    known = units()
    billed: dict[str, dict[str, int]] = {}
    for name in sorted(priced, key=lambda unit: -len(known[unit].dimensions)):
        own = {name: 1}
        for part, counts in billed.items():
            if known[name].dimensions < known[part].dimensions:
                for count, times in counts.items():
                    own[count] = own.get(count, 0) - times
        billed[name] = own
    return billed


def _identity(body: Rate) -> str:
    # Neither who says so nor a contract's place in the file makes it another price.
    plain = msgspec.structs.replace(body, price_id="", source="", contract=0, flags=())
    said = {
        name: value for name, value in msgspec.structs.asdict(plain).items() if name != "priced"
    }
    told = msgspec.json.encode(said, order="sorted")
    return hashlib.sha256(told).hexdigest()[:16]
