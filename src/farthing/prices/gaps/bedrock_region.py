"""Bedrock's 10 % for keeping a call in one geography, where the price list has no such row."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from farthing.prices.gap import NO_KEYS, Asked
from farthing.prices.names import bedrock_geography
from farthing.prices.tariff import Tariff, scaled

UPLIFT = Fraction(11, 10)
ASSUMED = "assumed_regional_uplift"


class BedrockRegion:
    name = "bedrock_region"

    def reads(self, asked: Asked) -> Mapping[str, frozenset[str]]:
        return NO_KEYS

    def correct(self, asked: Asked, tariffs: tuple[Tariff, ...]) -> tuple[Tariff, ...]:
        geography = bedrock_geography(asked.model)
        only_global = asked.found.owner == "aws" and asked.found.model.startswith("global.")
        if not only_global or geography in {None, "global"}:
            return tariffs
        return tuple(scaled(tariff, UPLIFT, ASSUMED) for tariff in tariffs)
