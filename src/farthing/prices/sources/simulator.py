"""What the simulator's invented models cost, as if they were sold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import ClassVar

import msgspec

from farthing.prices.source import Found
from farthing.prices.tariff import Tariff

PROVIDER = "simulator"
SINCE = datetime(2020, 1, 1, tzinfo=UTC)
TIER, FLEX = "service_tier", "flex"  # at half the price
_LISTED = "simulator 2020-01-01"
_ATTO_PER_USD_A_MILLION = 10**12
_OF_INPUT = {
    "cache_read_tokens": Decimal("0.10"),
    "cache_write_5m_tokens": Decimal("1.25"),
    "cache_write_1h_tokens": Decimal("2.00"),
}


class Model(msgspec.Struct, frozen=True):
    """Dollars per million tokens, and tokens. Without an output price it only embeds."""

    name: str
    input: Decimal
    output: Decimal | None
    context_window: int
    max_output: int


MODELS: Mapping[str, Model] = MappingProxyType(
    {
        model.name: model
        for model in (
            Model("sim-small", Decimal("0.15"), Decimal("0.60"), 128_000, 16_384),
            Model("sim-medium", Decimal("2.50"), Decimal(10), 128_000, 16_384),
            Model("sim-large", Decimal(15), Decimal(75), 128_000, 16_384),
            Model("sim-embed", Decimal("0.02"), None, 8_192, 0),
        )
    }
)


class SimulatorPrices:
    name: ClassVar[str] = PROVIDER

    def find(self, provider: str | None, model: str) -> Found | None:
        known = MODELS.get(model.removeprefix(f"{PROVIDER}/"))
        ours = provider is None or self.provider(provider) is not None
        return _found(known) if known and ours else None

    def tariffs(self, found: Found, context: Mapping[str, str]) -> tuple[Tariff, ...]:
        prices = _prices(MODELS[found.model])
        if context.get(TIER) == FLEX:
            prices = {unit: price // 2 for unit, price in prices.items()}
        return (Tariff(prices=prices, source=_LISTED, since=SINCE),)

    def provider(self, name: str) -> str | None:
        return PROVIDER if name.strip().lower() == PROVIDER else None

    def models(self) -> Iterator[Found]:
        return map(_found, MODELS.values())


SOURCE = SimulatorPrices()


def _found(model: Model) -> Found:
    return Found(
        provider=PROVIDER,
        owner=PROVIDER,
        model=model.name,
        context_window=model.context_window,
        max_output=model.max_output or None,
        choices={TIER: frozenset({FLEX})} if model.output is not None else {},
    )


def _prices(model: Model) -> dict[str, int]:
    usd = {"input_tokens": model.input}
    if model.output is not None:
        usd |= {unit: model.input * share for unit, share in _OF_INPUT.items()}
        usd["output_tokens"] = model.output
    return {unit: int(price * _ATTO_PER_USD_A_MILLION) for unit, price in usd.items()}
