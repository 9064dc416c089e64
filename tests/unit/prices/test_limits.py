"""The shipped maxima are of models that the price list knows, each with its source and day."""

import pytest

from farthing.prices.limits import limits, max_output
from farthing.prices.sources.genai_prices import SOURCE


def test_every_row_names_a_model_that_exists_its_source_and_its_day():
    known = {found.model for found in SOURCE.models()}
    for limit in limits():
        assert set(limit.models) <= known
        assert limit.source
        assert limit.max_output_tokens > 0


@pytest.mark.parametrize(
    ("provider", "model", "most"),
    [
        ("openai", "gpt-4o-mini-2024-07-18", 16_384),
        ("azure", "gpt-4o", 16_384),
        ("openai", "o4-mini", 100_000),
        ("anthropic", "claude-sonnet-4-5-20250929", 64_000),
        ("google", "gemini-2.5-pro", 65_536),
        ("openai", "gpt-4o-audio-preview", None),
    ],
)
def test_a_maximum_is_found_by_the_price_lists_own_name(provider, model, most):
    assert max_output(SOURCE.find(provider, model)) == most
