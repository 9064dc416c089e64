"""deepseek-chat and deepseek-reasoner, whose price the price list stopped following in 2025."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import msgspec

from farthing.prices.gap import NO_KEYS, Asked
from farthing.prices.tariff import Tariff
from farthing.prices.units import per_million

NIGHTS_BEGIN = datetime(2025, 2, 26, 16, 30, tzinfo=UTC)
NIGHTS_END = datetime(2025, 9, 5, 16, 0, tzinfo=UTC)
V3_2 = datetime(2025, 9, 29, tzinfo=UTC)
NAMES = frozenset({"deepseek-chat", "deepseek-reasoner"})
# Input, cache hit, output, in dollars per million tokens.
_V3_1 = ("0.56", "0.07", "1.68")
_V3_2 = ("0.28", "0.028", "0.42")
_DAY_FROM, _DAY_TO = 30, 16 * 60 + 30  # 00:30 to 16:30 UTC was the standard price


class DeepseekNames:
    name = "deepseek_names"

    def reads(self, asked: Asked) -> Mapping[str, frozenset[str]]:
        return NO_KEYS

    def correct(self, asked: Asked, tariffs: tuple[Tariff, ...]) -> tuple[Tariff, ...]:
        if asked.found.provider != "deepseek" or asked.found.model not in NAMES:
            return tariffs
        standard = [tariff for tariff in tariffs if tariff.from_minute == _DAY_FROM]
        if not standard or any(tariff.since or tariff.until for tariff in tariffs):
            return tariffs  # the price list has caught up
        return tuple(_eras(standard[0], tariffs))


def _eras(standard: Tariff, by_hour: tuple[Tariff, ...]) -> Iterator[Tariff]:
    replace = msgspec.structs.replace
    allday = replace(standard, from_minute=None, to_minute=None)
    yield replace(allday, until=NIGHTS_BEGIN)
    for tariff in by_hour:
        yield replace(tariff, since=NIGHTS_BEGIN, until=NIGHTS_END)
    yield replace(allday, since=NIGHTS_END, until=V3_2, prices=_prices(_V3_1))
    yield replace(allday, since=V3_2, prices=_prices(_V3_2))


def _prices(usd: tuple[str, str, str]) -> Mapping[str, int]:
    units = ("input_tokens", "cache_read_tokens", "output_tokens")
    return {unit: per_million(each) for unit, each in zip(units, usd, strict=True)}
