"""A tariff: what each unit costs within one stretch of time, hours and input size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from fractions import Fraction

import msgspec

from farthing.domain.money import round_half_even
from farthing.prices.units import units

DAY = 24 * 60  # minutes
# What is uncertain about a price.
BEFORE_FIRST_PRICE = "before_first_price"
CONTEXT_NOT_PRICED = "context_not_priced"


class Tariff(msgspec.Struct, frozen=True, kw_only=True):
    """Prices that hold together. Tariffs of one model never overlap.

    `prices` are attodollars by unit name, nested as genai-prices nests them: the most specific
    priced unit wins. Bounds that are None are open.
    """

    prices: Mapping[str, int]
    source: str
    since: datetime | None = None
    until: datetime | None = None  # exclusive
    from_minute: int | None = None  # of the UTC day
    to_minute: int | None = None  # exclusive; never past midnight
    weekdays: tuple[int, ...] | None = None  # ISO: Monday is 1
    above: int | None = None  # total input tokens, exclusive: "above 200,000"
    upto: int | None = None  # inclusive
    minimums: Mapping[str, int] = {}  # billed at least this many of a unit, where any
    flags: tuple[str, ...] = ()


def joined(tariffs: Iterable[Tariff]) -> tuple[Tariff, ...]:
    """The same price list with hours, then stretches of time, that say the same made one."""
    by_hour = sorted(tariffs, key=lambda tariff: tariff.from_minute or 0)
    whole_hours = [_all_day(tariff) for tariff in _chained(by_hour, "from_minute", "to_minute")]
    by_day = sorted(whole_hours, key=_begins)
    return tuple(sorted(_chained(by_day, "since", "until"), key=_begins))


def split(tariffs: Iterable[Tariff], at: datetime) -> Iterator[Tariff]:
    """The same price list with a seam at one moment, so that its sides can differ."""
    for tariff in tariffs:
        if (tariff.since and tariff.since >= at) or (tariff.until and tariff.until <= at):
            yield tariff
        else:
            yield msgspec.structs.replace(tariff, until=at)
            yield msgspec.structs.replace(tariff, since=at)


def scaled(tariff: Tariff, by: Fraction, *flags: str) -> Tariff:
    """The same price list with every token dearer or cheaper; searches and seconds stay."""
    prices = {
        unit: round_half_even(*(price * by).as_integer_ratio()) if units()[unit].is_token else price
        for unit, price in tariff.prices.items()
    }
    told = tuple(sorted({*tariff.flags, *flags}))
    return msgspec.structs.replace(tariff, prices=prices, flags=told)


def _begins(tariff: Tariff) -> float:
    return tariff.since.timestamp() if tariff.since else float("-inf")


def _chained(tariffs: Iterable[Tariff], start: str, end: str) -> list[Tariff]:
    """Where one ends as another starts and all else is equal, the two are one."""
    chains: dict[tuple[object, ...], Tariff] = {}
    done: list[Tariff] = []
    for tariff in tariffs:
        rest = tuple(
            _comparable(getattr(tariff, field))
            for field in Tariff.__struct_fields__
            if field not in {start, end}
        )
        before = chains.get(rest)
        if before and getattr(before, end) == getattr(tariff, start) is not None:
            chains[rest] = msgspec.structs.replace(before, **{end: getattr(tariff, end)})
        else:
            done += [before] if before else []
            chains[rest] = tariff
    return [*done, *chains.values()]


def _comparable(value: object) -> object:
    return frozenset(value.items()) if isinstance(value, Mapping) else value


def _all_day(tariff: Tariff) -> Tariff:
    if (tariff.from_minute, tariff.to_minute) != (0, DAY):
        return tariff
    return msgspec.structs.replace(tariff, from_minute=None, to_minute=None)
