"""Azure's 10 % for a Data Zone or regional deployment: the price list has Global prices only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction

from farthing.prices.gap import NO_KEYS, Asked
from farthing.prices.tariff import Tariff, scaled

UPLIFT = Fraction(11, 10)
KEY = "deployment"
_ZONED = frozenset({"datazone", "datazonestandard", "regional", "standard"})
_GLOBAL = frozenset({"global", "globalstandard"})
# LiteLLM's spelling of a deployment: azure/us/gpt-4o, azure/eu/gpt-4o.
_IN_ZONE = re.compile(r"(?:azure(?:_ai)?/)?(?:us|eu)/", re.IGNORECASE)


class AzureDataZone:
    """Tells by the context key `deployment` (DataZoneStandard, GlobalStandard …) or the name."""

    name = "azure_data_zone"

    def reads(self, asked: Asked) -> Mapping[str, frozenset[str]]:
        return {KEY: _ZONED} if asked.found.provider == "azure" else NO_KEYS

    def correct(self, asked: Asked, tariffs: tuple[Tariff, ...]) -> tuple[Tariff, ...]:
        if asked.found.provider != "azure":
            return tariffs
        told = re.sub(r"[^a-z]", "", asked.context.get(KEY, "").lower())
        zoned = told in _ZONED or (told not in _GLOBAL and _IN_ZONE.match(asked.model))
        return tuple(scaled(tariff, UPLIFT) for tariff in tariffs) if zoned else tariffs
