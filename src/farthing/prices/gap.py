"""The seam for corrections: where the price list is known to be wrong, and what is right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from farthing.prices.source import Found
from farthing.prices.tariff import Tariff

NO_KEYS: Mapping[str, frozenset[str]] = MappingProxyType({})
# Context keys that mean another price, and the values that mean the usual one.
TIERS = frozenset({"service_tier", "processing", "speed"})
STANDARD = frozenset({"standard", "default", "auto", "on_demand", "sync"})


@dataclass(frozen=True, slots=True)
class Asked:
    """What the price is wanted of: the model found, as it was written, in which context."""

    found: Found
    model: str
    context: Mapping[str, str]


class Gap(Protocol):
    @property
    def name(self) -> str: ...  # the key of its entry in tests/golden/prices_gaps.yaml

    def reads(self, asked: Asked) -> Mapping[str, frozenset[str]]:
        """The context keys that it prices by, for this model, and the values that matter."""
        ...

    def correct(self, asked: Asked, tariffs: tuple[Tariff, ...]) -> tuple[Tariff, ...]:
        """The price list as it should be; unchanged where the gap does not concern it."""
        ...
