"""Of several price lists the first that knows a model prices it."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import ClassVar

from farthing.domain.money import Money
from farthing.domain.usage import Usage
from farthing.prices.book import Book, Unpriced
from farthing.prices.chain import Chain
from farthing.prices.source import Found
from farthing.prices.sources.genai_prices import SOURCE
from farthing.prices.tariff import Tariff
from farthing.prices.units import per_million

ON = date(2026, 8, 21)


class InHouse:
    """A price list of two models, one of which everybody knows."""

    name: ClassVar[str] = "in-house"
    prices: ClassVar[Mapping[str, str]] = {"our-llama": "0.5", "gpt-4o": "1"}

    def find(self, provider: str | None, model: str) -> Found | None:
        if model not in self.prices:
            return None
        return Found(provider=provider or "in-house", owner="in-house", model=model)

    def tariffs(self, found: Found, context: Mapping[str, str]) -> tuple[Tariff, ...]:
        prices = {"input_tokens": per_million(self.prices[found.model])}
        return (Tariff(prices=prices, source=self.name),)

    def provider(self, name: str) -> str | None:
        return name if name == "in-house" else None

    def models(self) -> Iterator[Found]:
        return (Found(provider="openai", owner=self.name, model=model) for model in self.prices)


def test_the_first_list_that_knows_a_model_prices_it():
    book = Book(Chain((InHouse(), SOURCE)))

    def cost(provider: str, model: str) -> Money:
        return book.price(provider, model, Usage(1_000_000), ON).list

    assert cost("openai", "gpt-4o") == Money.of("1")
    assert cost("in-house", "our-llama") == Money.of("0.5")
    assert cost("openai", "gpt-4o-mini") == Money.of("0.15")
    assert book.price("openai", "zorg-9", Usage(1), ON) == Unpriced("unknown_model")
    assert book.provider("az.ai.openai") == "azure"


def test_a_model_that_two_lists_know_is_listed_once():
    chain = Chain((InHouse(), SOURCE))
    known = [
        found for found in chain.models() if (found.provider, found.model) == ("openai", "gpt-4o")
    ]
    assert [found.source for found in known] == ["in-house"]
