"""The compiled book says what genai-prices says, for every model, day, context and usage."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from functools import cache

import msgspec
from genai_prices import calc_price
from genai_prices.data import providers as price_lists
from genai_prices.types import Usage as TheirUsage
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.domain.money import Money, round_half_even
from farthing.domain.usage import BUCKETS, Usage
from farthing.prices.book import Book, Priced, Unpriced
from farthing.prices.rate import charge
from farthing.prices.sources.genai_prices import SOURCE
from farthing.prices.units import units

MODELS = [(provider.id, model) for provider in price_lists for model in provider.models]


@cache
def plain_book() -> Book:
    """genai-prices as it is: none of farthing's own corrections."""
    return Book(SOURCE)


counts = st.integers(0, 600_000) | st.integers(0, 50)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Usage as a provider can report it: parts never exceed their whole."""
    buckets = {bucket: draw(counts) for bucket in BUCKETS}
    details = {}
    audio = draw(st.integers(0, buckets["input_fresh"]))
    cached_audio = draw(st.integers(0, buckets["cache_read"]))
    details["input_audio_tokens"] = audio + cached_audio
    details["cache_audio_read_tokens"] = cached_audio
    details["output_audio_tokens"] = draw(st.integers(0, buckets["output_visible"]))
    seconds = draw(counts)
    details["input_audio_seconds"] = seconds
    details["audio_seconds"] = seconds
    for extra in ("web_searches", "storage_searches", "input_characters", "input_document_pages"):
        details[extra] = draw(counts)
    return Usage(**buckets, details=details)


def theirs(usage: Usage) -> TheirUsage:
    return TheirUsage(
        input_tokens=usage.input_tokens,
        cache_read_tokens=usage.cache_read,
        cache_write_tokens=usage.cache_write_short + usage.cache_write_long,
        cache_write_5m_tokens=usage.cache_write_short,
        cache_write_1h_tokens=usage.cache_write_long,
        output_tokens=usage.output_tokens,
        output_reasoning_tokens=usage.reasoning,
        **usage.details,
    )


def pico(usd: Decimal) -> int:
    return round_half_even(*(usd * 10**12).as_integer_ratio())


def exact(prices: dict[str, object]) -> bool:
    """Whether every rate is a whole number of attodollars: not so for hours over seconds."""
    per = {unit.price_key: unit.per for unit in units().values()}
    stated = [
        Fraction(amount) * 10**18 / per[key]
        for key, price in prices.items()
        for amount in ([price] if isinstance(price, Decimal) else tiers(price))
    ]
    return all(each.denominator == 1 for each in stated)


def tiers(price) -> list[Decimal]:
    return [price.base, *(tier.price for tier in price.tiers)]


@settings(max_examples=600, deadline=None)
@given(
    st.sampled_from(MODELS),
    usages(),
    st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1)),
    st.data(),
)
def test_every_model_costs_what_genai_prices_says(pair, usage, when, data):
    seller, model = pair
    on = when.replace(tzinfo=UTC)
    asked = [variant.when for variant in model.price_variants or ()]
    context = data.draw(st.sampled_from([{}, *asked])) if asked else {}
    paid = plain_book().price(seller, model.id, usage, on, context)
    try:
        expected = calc_price(
            theirs(usage),
            model.id,
            provider_id=seller,
            genai_request_timestamp=on,
            price_context=context,
        )
    except LookupError:
        assert paid == Unpriced("unknown_model")
        return
    told = {key: price for key, price in vars(expected.model_price).items() if price is not None}
    if isinstance(paid, Unpriced):
        assert paid.reason == "no_price"
        assert not told
    elif exact(told):
        assert paid.list.pico == pico(expected.total_price)
    else:
        assert abs(paid.list.pico - pico(expected.total_price)) <= 1


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(MODELS), usages(), st.sampled_from(BUCKETS), st.integers(-9, 0))
def test_the_fast_charge_is_the_documented_sum(pair, usage, bucket, below):
    seller, model = pair
    suspect = msgspec.structs.replace(usage, **{bucket: below})
    on = datetime(2026, 8, 21, 12, tzinfo=UTC)
    paid = plain_book().price(seller, model.id, suspect, on)
    if isinstance(paid, Priced):
        rows = plain_book().rates(seller, model.id)
        (row,) = (row for row in rows if (row.price_id,) == paid.price_ids)
        assert charge(row.list, row.minimums, suspect) == paid.list
        assert paid.list >= Money.ZERO
