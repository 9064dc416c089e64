"""What a model is offered at: its list price, corrected where it is wrong, and the contract."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time

import msgspec

from farthing.prices.contracts import Contract
from farthing.prices.gap import STANDARD, TIERS, Asked, Gap
from farthing.prices.source import Found, Source
from farthing.prices.tariff import (
    BEFORE_FIRST_PRICE,
    CONTEXT_NOT_PRICED,
    Tariff,
    joined,
    split,
)


class Unpriced(msgspec.Struct, frozen=True):
    """Nobody knows what it costs; that is never 0. `reason` is a stable code."""

    reason: str


@dataclass(frozen=True, slots=True)
class Offer:
    """What one model costs in one context: list tariffs, and the contract over them, if any."""

    provider: str
    model: str
    context: Mapping[str, str]
    tariffs: tuple[Tariff, ...]
    contract: Contract | None


class Offers:
    """Price lists as they should be. `priced_as`: the user's name of an account → a provider."""

    def __init__(self, source: Source, gaps: tuple[Gap, ...], priced_as: Mapping[str, str]) -> None:
        self._source = source
        self._gaps = gaps
        self._priced_as = priced_as

    def provider(self, name: str) -> str | None:
        return self._source.provider(self._priced_as.get(name, name))

    def find(self, provider: str | None, model: str | None) -> Found | None:
        return self._source.find(self.listed_as(provider), model) if model else None

    def listed_as(self, provider: str | None) -> str | None:
        return self._priced_as.get(provider, provider) if provider else provider

    def choices(self, provider: str | None, model: str | None) -> Mapping[str, frozenset[str]]:
        """The context keys that change a model's price, each with the values that do."""
        found = self.find(provider, model)
        return self._choices(Asked(found, model, {})) if found and model else {}

    def of(
        self,
        provider: str | None,
        model: str | None,
        context: Mapping[str, str],
        contract: Contract | None,
    ) -> Offer | Unpriced:
        if not model:
            return Unpriced("no_model")
        found = self.find(provider, model)
        asked = Asked(found, model, context) if found else None
        tariffs = self._listed(asked) if asked else ()
        if contract and contract.prices and not any(tariff.prices for tariff in tariffs):
            tariffs = (Tariff(prices=contract.prices, source=contract.source),)
        elif not found:
            return Unpriced(self._stranger(provider))
        elif not any(tariff.prices for tariff in tariffs) and not _is_free(model):
            return Unpriced("no_price")
        return Offer(
            provider=found.provider if found else provider or "",
            model=found.model if found else model,
            context=self._matters(asked) if asked else {},
            tariffs=tariffs,
            contract=contract,
        )

    def _listed(self, asked: Asked) -> tuple[Tariff, ...]:
        """The price list, corrected where it is known to be wrong, and flagged where it guesses."""
        tariffs = self._source.tariffs(asked.found, asked.context)
        for gap in self._gaps:
            corrected = gap.correct(asked, tariffs)
            if corrected != tariffs:
                tariffs = tuple(_told(tariff, gap.name) for tariff in corrected)
        if self._changes_nothing_known(asked):
            tariffs = tuple(_flagged(tariff, CONTEXT_NOT_PRICED) for tariff in tariffs)
        if asked.found.released:
            released = datetime.combine(asked.found.released, time(), UTC)
            tariffs = tuple(_before(tariffs, released))
        return joined(tariffs)

    def _matters(self, asked: Asked) -> dict[str, str]:
        """The part of the context that changes this model's price."""
        keys = self._choices(asked)
        return {key: value for key, value in asked.context.items() if key in keys}

    def _choices(self, asked: Asked) -> dict[str, frozenset[str]]:
        choices = dict(asked.found.choices)
        for gap in self._gaps:
            for key, values in gap.reads(asked).items():
                choices[key] = choices.get(key, frozenset()) | values
        return choices

    def _changes_nothing_known(self, asked: Asked) -> bool:
        """Whether a tier should change the price, and nobody publishes by how much."""
        return any(
            key in TIERS
            and value.lower() not in STANDARD
            and value not in asked.found.choices.get(key, ())
            and not any(key in gap.reads(asked) for gap in self._gaps)
            for key, value in asked.context.items()
        )

    def _stranger(self, provider: str | None) -> str:
        known = provider is None or self.provider(provider) is not None
        return "unknown_model" if known else "unknown_provider"


def _before(tariffs: Iterable[Tariff], released: datetime) -> Iterator[Tariff]:
    """Flag what is charged before the model can have existed: the first price, a guess."""
    for tariff in split(tariffs, released):
        early = tariff.until is not None and tariff.until <= released
        yield _flagged(tariff, BEFORE_FIRST_PRICE) if early else tariff


def _told(tariff: Tariff, gap: str) -> Tariff:
    return msgspec.structs.replace(tariff, source=f"{tariff.source}, corrected: {gap}")


def _flagged(tariff: Tariff, flag: str) -> Tariff:
    return msgspec.structs.replace(tariff, flags=tuple(sorted({*tariff.flags, flag})))


def _is_free(model: str) -> bool:
    return model.lower().endswith(":free")
