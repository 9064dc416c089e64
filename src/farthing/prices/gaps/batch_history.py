"""Batch rates before the day the price list learnt of them: the same share of the usual price."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import pairwise

import msgspec

from farthing.domain.money import round_half_even
from farthing.prices.gap import NO_KEYS, STANDARD, TIERS, Asked
from farthing.prices.tariff import CONTEXT_NOT_PRICED, Tariff

KEY, BATCH = "processing", "batch"
ASSUMED = "assumed_batch_rate"
# Whose batches have cost half since they were offered, longer ago than the price list knows.
_HALF_FROM_THE_START = frozenset({"openai", "anthropic", "mistral"})


class BatchHistory:
    name = "batch_history"

    def reads(self, asked: Asked) -> Mapping[str, frozenset[str]]:
        return NO_KEYS

    def correct(self, asked: Asked, tariffs: tuple[Tariff, ...]) -> tuple[Tariff, ...]:
        known = BATCH in asked.found.choices.get(KEY, ())
        # With a tier as well, it could not be told which of the two has no rate.
        unusual = {
            key
            for key, value in asked.context.items()
            if key in TIERS and value.lower() not in STANDARD
        }
        alone = unusual == {KEY} and asked.context[KEY] == BATCH
        if asked.found.owner not in _HALF_FROM_THE_START or not (known and alone):
            return tariffs
        return tuple(_corrected(tariffs))


def _corrected(tariffs: tuple[Tariff, ...]) -> Iterator[Tariff]:
    for tariff in tariffs:
        seam = _seam(tariff, tariffs)
        if CONTEXT_NOT_PRICED not in tariff.flags or seam is None:
            yield tariff
            continue
        usual, batch = seam
        prices = {
            unit: _share(price, batch.prices.get(unit, 0), usual.prices.get(unit, 0))
            for unit, price in tariff.prices.items()
        }
        yield msgspec.structs.replace(tariff, prices=prices, flags=(ASSUMED,))


def _seam(tariff: Tariff, tariffs: tuple[Tariff, ...]) -> tuple[Tariff, Tariff] | None:
    """The last usual and the first batch price list for the same hours and sizes."""
    alike = [other for other in tariffs if _slot(other) == _slot(tariff)]
    for usual, batch in pairwise(alike):
        if CONTEXT_NOT_PRICED in usual.flags and CONTEXT_NOT_PRICED not in batch.flags:
            return usual, batch
    return None


def _slot(tariff: Tariff) -> tuple[object, ...]:
    return tariff.from_minute, tariff.to_minute, tariff.weekdays, tariff.above, tariff.upto


def _share(price: int, batch: int, usual: int) -> int:
    exact = Fraction(price) * Fraction(batch, usual) if usual else Fraction(price)
    return round_half_even(*exact.as_integer_ratio())
