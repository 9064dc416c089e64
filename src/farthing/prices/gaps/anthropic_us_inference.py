"""Anthropic's 10 % for inference that stays in the United States."""

from __future__ import annotations

from fractions import Fraction

from farthing.prices.gap import Asked
from farthing.prices.tariff import Tariff, scaled

UPLIFT = Fraction(11, 10)
KEY = "inference_geo"


class AnthropicUsInference:
    name = "anthropic_us_inference"

    def reads(self, asked: Asked) -> frozenset[str]:
        return frozenset({KEY}) if asked.found.provider == "anthropic" else frozenset()

    def correct(self, asked: Asked, tariffs: tuple[Tariff, ...]) -> tuple[Tariff, ...]:
        if asked.found.provider != "anthropic" or asked.context.get(KEY) != "us":
            return tariffs
        return tuple(scaled(tariff, UPLIFT) for tariff in tariffs)
