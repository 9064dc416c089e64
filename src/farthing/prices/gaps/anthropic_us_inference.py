"""Anthropic's 10 % for inference that stays in the United States."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from farthing.prices.gap import NO_KEYS, Asked
from farthing.prices.tariff import Tariff, scaled

UPLIFT = Fraction(11, 10)
KEY = "inference_geo"
_UPLIFTED = frozenset({"us"})


class AnthropicUsInference:
    name = "anthropic_us_inference"

    def reads(self, asked: Asked) -> Mapping[str, frozenset[str]]:
        return {KEY: _UPLIFTED} if asked.found.provider == "anthropic" else NO_KEYS

    def correct(self, asked: Asked, tariffs: tuple[Tariff, ...]) -> tuple[Tariff, ...]:
        if asked.found.provider != "anthropic" or asked.context.get(KEY) not in _UPLIFTED:
            return tariffs
        return tuple(scaled(tariff, UPLIFT) for tariff in tariffs)
