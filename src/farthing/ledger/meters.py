"""What each kind of token cost: one cost shared out over its meters, to the last picodollar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from farthing.domain.money import Money
from farthing.domain.usage import BUCKETS

# FOCUS SkuMeter of each bucket; the FOCUS importer reads them back.
METERS: Final = {
    "input_fresh": "input tokens",
    "cache_read": "cached input tokens",
    "cache_write_short": "cache write tokens",
    "cache_write_long": "cache write tokens (long)",
    "output_visible": "output tokens",
    "reasoning": "reasoning tokens",
}
EXTRAS: Final = "requests and extras"  # searches, images, seconds, a fee per call
_ATTO_PER_PICO = 10**6

Rates = Mapping[str, int]  # attodollars each, by bucket or other unit


@dataclass(frozen=True, slots=True)
class Part:
    """One meter's share of a cost. `tokens` None: it does not count tokens."""

    meter: str
    bucket: str | None
    tokens: int | None
    cost: Money


def shared_out(
    cost: Money, tokens: Mapping[str, int], calls: int, rates: Rates | None, priced: Money
) -> list[Part]:
    """The parts of `cost` by meter; they sum to it exactly.

    `rates` are those by which `priced` was computed, and `priced` is shared out first: what the
    buckets do not explain is extras, if the price has any. `cost` (a contract's, or what the
    provider reported) is then shared in the same proportions. Without rates every token weighs
    the same.
    """
    used = [bucket for bucket in BUCKETS if tokens[bucket]]
    if rates is None:
        weights = [max(tokens[bucket], 0) for bucket in used]
        extras = 0
    else:
        weights = [max(tokens[bucket], 0) * rates.get(bucket, 0) for bucket in used]
        extras = _extras(priced, sum(weights), calls, rates)
    if extras or not used:
        weights.append(extras)
    parts = cost.split(weights)
    found = [
        Part(METERS[bucket], bucket, tokens[bucket], part)
        for bucket, part in zip(used, parts, strict=False)
    ]
    if len(weights) > len(used):
        found.append(Part(EXTRAS, None, None, parts[-1]))
    return found


def _extras(priced: Money, explained: int, calls: int, rates: Rates) -> int:
    """What tokens do not explain, in attodollars; rounding of the single calls aside."""
    if not set(rates) - set(BUCKETS):
        return 0
    left = priced.pico * _ATTO_PER_PICO - explained
    return left if left > max(calls, 1) * _ATTO_PER_PICO else 0
