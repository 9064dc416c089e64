"""A rate unrolled for speed: a charge is a dozen multiplications of whole numbers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from operator import attrgetter

import msgspec

from farthing.domain.money import Money, round_half_even
from farthing.domain.usage import BUCKETS, INPUT_BUCKETS, Usage
from farthing.prices.rate import UNPRICED_UNITS, Rate
from farthing.prices.tariff import DAY
from farthing.prices.units import ATTO_PER_PICO

_COUNTS = attrgetter(*BUCKETS)


class Priced(msgspec.Struct, frozen=True):
    """What it costs: the provider's list price, the user's contract, and what is really paid.

    `flags` say what is uncertain about it: `before_first_price`, `context_not_priced`,
    `unpriced_units` (something was counted that has no price) …
    """

    list: Money
    contracted: Money
    effective: Money
    price_ids: tuple[str, ...]
    flags: tuple[str, ...] = ()


class Charge:
    """What one row of the price list charges, and when it applies."""

    __slots__ = (
        "always",
        "at_list",
        "contracted",
        "flags",
        "ids",
        "listed",
        "rate",
        "silent",
        "since",
        "sized",
        "timed",
        "until",
    )

    def __init__(self, row: Rate) -> None:
        self.rate = row
        self.listed = _Sum(row.list, row.minimums)
        self.contracted = _Sum(row.contracted, row.minimums)
        self.at_list = row.list == row.contracted
        self.ids, self.flags = (row.price_id,), row.flags
        # Counts that have no price: buckets from the start, details as they come.
        self.silent = {bucket: True for bucket in BUCKETS if not row.answers_for(bucket)}
        self.since, self.until = row.since, row.until
        self.timed = row.from_minute is not None or row.weekdays is not None
        self.sized = row.above is not None or row.upto is not None
        dated = row.since is not None or row.until is not None
        self.always = not (dated or self.timed or self.sized)

    def applies(self, when: datetime, usage: Usage) -> bool:
        return self.holds(when) and (not self.sized or self._fits(usage))

    def holds(self, when: datetime) -> bool:
        """Whether it applies at a moment to a call of some size."""
        since, until = self.since, self.until
        if (since is not None and when < since) or (until is not None and when >= until):
            return False
        return not self.timed or self._in_hours(when)

    def of(self, usage: Usage) -> Priced:
        listed = self.listed.of(usage)
        contracted = listed if self.at_list else self.contracted.of(usage)
        flags = self.flags
        if (self.silent or usage.details) and self._leaves_out(usage):
            flags = tuple(sorted({*flags, UNPRICED_UNITS}))
        return Priced(listed, contracted, contracted, self.ids, flags)

    def _leaves_out(self, usage: Usage) -> bool:
        if any(self.silent.get(bucket) and getattr(usage, bucket) > 0 for bucket in BUCKETS):
            return True
        return any(count > 0 and self._is_silent(unit) for unit, count in usage.details.items())

    def _is_silent(self, unit: str) -> bool:
        known = self.silent.get(unit)
        if known is None:
            known = self.silent[unit] = not self.rate.answers_for(unit)
        return known

    def _in_hours(self, when: datetime) -> bool:
        row = self.rate
        minute = when.hour * 60 + when.minute
        if not (row.from_minute or 0) <= minute < (row.to_minute or DAY):
            return False
        return row.weekdays is None or when.isoweekday() in row.weekdays

    def _fits(self, usage: Usage) -> bool:
        above, upto = self.rate.above, self.rate.upto
        total = usage.input_tokens
        if usage.suspect:
            total = sum(max(getattr(usage, bucket), 0) for bucket in INPUT_BUCKETS)
        return (above is None or total > above) and (upto is None or total <= upto)


class _Sum:
    """The rule that `Rate` states, for one set of rates."""

    __slots__ = ("details", "fixed", "minimums", "per_bucket")

    def __init__(self, rates: Mapping[str, int], minimums: Mapping[str, int]) -> None:
        self.per_bucket = tuple(rates.get(bucket, 0) for bucket in BUCKETS)
        self.fixed = rates.get("requests", 0)
        self.details = {u: r for u, r in rates.items() if u not in (*BUCKETS, "requests")}
        self.minimums = minimums

    def of(self, usage: Usage) -> Money:
        fresh, read, short, long, visible, reasoning = _COUNTS(usage)
        a, b, c, d, e, f = self.per_bucket
        if fresh < 0 or read < 0 or short < 0 or long < 0 or visible < 0 or reasoning < 0:
            counts = (max(count, 0) for count in (fresh, read, short, long, visible, reasoning))
            fresh, read, short, long, visible, reasoning = counts
        total = (
            fresh * a + read * b + short * c + long * d + visible * e + reasoning * f + self.fixed
        )
        if usage.details and self.details:
            total += self._details(usage.details)
        return Money(round_half_even(total, ATTO_PER_PICO) if total > 0 else 0)

    def _details(self, counted: Mapping[str, int]) -> int:
        total = 0
        for unit, count in counted.items():
            each = self.details.get(unit, 0)
            if each and count > 0:
                total += max(count, self.minimums.get(unit, 0)) * each
        return total
