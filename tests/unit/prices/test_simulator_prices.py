"""The simulator's models have prices like any other, and only under its name."""

from datetime import date
from decimal import Decimal

import pytest

from farthing.domain.money import Money
from farthing.domain.usage import Usage
from farthing.prices.book import Book, Priced, Unpriced
from farthing.prices.sources.simulator import MODELS

MILLION = 1_000_000
DAY = date(2026, 10, 1)


@pytest.fixture(scope="module")
def book(tmp_path_factory) -> Book:
    return Book.load(tmp_path_factory.mktemp("nothing"))


def cost(book: Book, model: str, **usage: int) -> Money:
    priced = book.price("simulator", model, Usage(**usage), DAY)
    assert isinstance(priced, Priced)
    return priced.list


@pytest.mark.parametrize(
    ("model", "fresh", "out"),
    [("sim-small", "0.15", "0.60"), ("sim-medium", "2.50", "10"), ("sim-large", "15", "75")],
)
def test_a_million_tokens_cost_what_is_published(book, model, fresh, out):
    assert cost(book, model, input_fresh=MILLION) == Money.of(fresh)
    assert cost(book, model, output_visible=MILLION) == Money.of(out)
    assert cost(book, model, reasoning=MILLION) == Money.of(out)


@pytest.mark.parametrize(
    ("bucket", "share"),
    [("cache_read", "0.1"), ("cache_write_short", "1.25"), ("cache_write_long", "2")],
)
@pytest.mark.parametrize("model", ["sim-small", "sim-medium", "sim-large"])
def test_the_cache_is_charged_at_a_share_of_input(book, model, bucket, share):
    expected = MODELS[model].input * Decimal(share)
    assert cost(book, model, **{bucket: MILLION}) == Money.of(expected)


def test_an_embedding_costs_its_input(book):
    assert cost(book, "sim-embed", input_fresh=MILLION) == Money.of("0.02")


def test_the_models_are_found_without_a_provider_but_not_at_another(book):
    assert isinstance(book.price(None, "sim-small", Usage(), DAY), Priced)
    assert isinstance(book.price("openai", "sim-small", Usage(), DAY), Unpriced)
    assert isinstance(book.price("simulator", "gpt-4o", Usage(), DAY), Unpriced)
