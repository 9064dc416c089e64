"""OpenAI's 12-hour cache writes, which the price list bills as 30-minute ones."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from farthing.prices.gap import NO_KEYS, Asked
from farthing.prices.tariff import Tariff

# The 12-hour rate is 2.5 times the input price, twice the 30-minute one (1.25 times): published
# for gpt-6.1-terra ($2.50 against $1.25), taken to be the same ratio for its siblings.
TIMES_SHORT = 2


class OpenaiLongCacheWrites:
    name = "openai_long_cache_writes"

    def reads(self, asked: Asked) -> Mapping[str, frozenset[str]]:
        return NO_KEYS

    def correct(self, asked: Asked, tariffs: tuple[Tariff, ...]) -> tuple[Tariff, ...]:
        if asked.found.owner != "openai":
            return tariffs
        return tuple(_with_long_writes(tariff) for tariff in tariffs)


def _with_long_writes(tariff: Tariff) -> Tariff:
    short = tariff.prices.get("cache_write_tokens")
    if short is None or "cache_write_1h_tokens" in tariff.prices:
        return tariff
    return msgspec.structs.replace(
        tariff, prices={**tariff.prices, "cache_write_1h_tokens": TIMES_SHORT * short}
    )
