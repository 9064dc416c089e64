"""DeepSeek's peak hours: not before they began, and not at weekends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import msgspec

from farthing.prices.gap import NO_KEYS, Asked
from farthing.prices.tariff import Tariff, split

PEAKS_BEGIN = datetime(2026, 8, 17, tzinfo=UTC)
WEEKENDS_FREE = datetime(2026, 8, 23, tzinfo=UTC)
_PEAKS = ((60, 240), (360, 600))  # 01:00 to 04:00 and 06:00 to 10:00 UTC
_WEEK, _WEEKEND = (1, 2, 3, 4, 5), (6, 7)


class DeepseekHours:
    """Off-peak is half of peak. Chinese public holidays, also off-peak, are billed as peak."""

    name = "deepseek_hours"

    def reads(self, asked: Asked) -> Mapping[str, frozenset[str]]:
        return NO_KEYS

    def correct(self, asked: Asked, tariffs: tuple[Tariff, ...]) -> tuple[Tariff, ...]:
        windows = {(tariff.from_minute, tariff.to_minute) for tariff in tariffs}
        if asked.found.provider != "deepseek" or not windows.issuperset(_PEAKS):
            return tariffs
        return tuple(_eras(tariffs))


def _eras(tariffs: tuple[Tariff, ...]) -> Iterator[Tariff]:
    quiet = {tariff.since: tariff.prices for tariff in tariffs if tariff.from_minute == 0}
    for tariff in tariffs:
        off_peak = quiet[tariff.since]
        peak = {unit: 2 * price for unit, price in off_peak.items()}
        for era in split(split([tariff], PEAKS_BEGIN), WEEKENDS_FREE):
            if (era.from_minute, era.to_minute) in _PEAKS:
                yield from _hours(era, off_peak, peak)
            else:
                yield era


def _hours(era: Tariff, off_peak: Mapping[str, int], peak: Mapping[str, int]) -> Iterator[Tariff]:
    replace = msgspec.structs.replace
    if era.until is not None and era.until <= PEAKS_BEGIN:
        yield replace(era, prices=off_peak)
    elif era.until is not None and era.until <= WEEKENDS_FREE:
        yield replace(era, prices=peak)
    else:
        yield replace(era, prices=peak, weekdays=_WEEK)
        yield replace(era, prices=off_peak, weekdays=_WEEKEND)
