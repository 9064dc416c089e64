"""Every price list keeps the promises that the book builds on."""

from itertools import islice

import pytest

from farthing.prices.source import Source
from farthing.prices.units import units
from farthing.registry import PRICE_SOURCES, plugins

SOURCES = plugins(PRICE_SOURCES)
EVERY = 23  # of a list of thousands, a sample that is spread over all providers


@pytest.fixture(params=SOURCES, ids=[source.name for source in SOURCES])
def source(request) -> Source:
    return request.param


def sample(source: Source):
    return islice(source.models(), 0, None, EVERY)


def test_a_source_knows_its_own_models_and_providers(source):
    for found in sample(source):
        assert source.provider(found.provider) == found.provider
        again = source.find(found.provider, found.model)
        assert again is None or again.provider == found.provider


def test_a_source_knows_nothing_of_strangers(source):
    assert source.find("openai", "no-such-model") is None
    assert source.find("no-such-provider", "no-such-model") is None
    assert source.provider("no-such-provider") is None


def test_prices_are_whole_attodollars_of_known_units_with_a_source(source):
    for found in sample(source):
        for tariff in source.tariffs(found, {}):
            assert tariff.source
            assert set(tariff.prices) <= set(units())
            assert all(type(price) is int and price >= 0 for price in tariff.prices.values())


def test_a_context_that_changes_nothing_leaves_the_price_list_as_it_is(source):
    for found in sample(source):
        assert source.tariffs(found, {"weather": "fine"}) == source.tariffs(found, {})


def test_bounds_are_in_order(source):
    for found in sample(source):
        for tariff in source.tariffs(found, {}):
            for low, high in (
                (tariff.since, tariff.until),
                (tariff.from_minute, tariff.to_minute),
                (tariff.above, tariff.upto),
            ):
                assert low is None or high is None or low < high
