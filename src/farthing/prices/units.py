"""The units that providers bill: the names of genai-prices, and how our buckets count them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from runpy import run_path
from types import MappingProxyType
from typing import Any

from farthing.domain.money import round_half_even

ATTO_PER_USD = 10**18
ATTO_PER_PICO = 10**6

# Which of our disjoint buckets make up each of genai-prices' nested counts.
COUNTED_BY: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "input_tokens": ("input_fresh", "cache_read", "cache_write_short", "cache_write_long"),
        "cache_read_tokens": ("cache_read",),
        "cache_write_tokens": ("cache_write_short", "cache_write_long"),
        "cache_write_5m_tokens": ("cache_write_short",),
        "cache_write_1h_tokens": ("cache_write_long",),
        "output_tokens": ("output_visible", "reasoning"),
        "output_reasoning_tokens": ("reasoning",),
    }
)


@dataclass(frozen=True, slots=True)
class Unit:
    """One billable unit. `price_key` is what a price list calls it: a price for `per` of them.

    A unit whose dimensions include another's counts a part of it: audio input is inside input.
    """

    name: str
    price_key: str
    per: int
    dimensions: frozenset[tuple[str, str]]

    @property
    def is_token(self) -> bool:
        return ("family", "tokens") in self.dimensions

    def atto(self, price: Fraction) -> int:
        """What one unit costs, in attodollars, from the price of `per` units in dollars."""
        each = price * ATTO_PER_USD / self.per
        return round_half_even(each.numerator, each.denominator)


@cache
def units() -> Mapping[str, Unit]:
    """Every unit by name, read on first use."""
    return {
        name: Unit(name, raw["price_key"], raw["per"], frozenset(raw["dimensions"].items()))
        for name, raw in _unit_data().items()
    }


def _unit_data() -> dict[str, Any]:
    """One plain file of genai-prices, run by itself: the package takes a second and 80 MB."""
    package = find_spec("genai_prices")
    folders = package.submodule_search_locations if package else None
    if not folders:
        raise ModuleNotFoundError("genai_prices is not installed; run `make setup`")
    found: dict[str, Any] = run_path(str(Path(folders[0], "data_units.py")))["unit_data"]
    return found


@cache
def by_price_key() -> Mapping[str, Unit]:
    return {unit.price_key: unit for unit in units().values()}


def per_million(usd: str) -> int:
    """Attodollars each, from dollars per million."""
    return units()["input_tokens"].atto(Fraction(usd))
