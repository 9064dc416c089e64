"""Real answers of every provider cost what was recorded with them, or the reason is listed."""

import gzip
import json
from collections import Counter
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest
import yaml

from farthing.domain.money import Money
from farthing.domain.usage import Usage
from farthing.prices.book import Book, Priced
from farthing.prices.gaps import GAPS
from farthing.prices.sources.genai_prices import SOURCE
from farthing.providers.usage import read_body

PINNED = date(2026, 8, 21)
LISTED = yaml.safe_load((Path(__file__).parents[2] / "golden/prices_recorded.yaml").read_text())
REASONS = {(entry["provider"], entry["model"]): entry for entry in LISTED}


@cache
def book() -> Book:
    return Book(SOURCE, gaps=GAPS)


def answers(corpus: Path) -> list:
    text = gzip.decompress((corpus / "usage" / "usage_bodies.json.gz").read_bytes())
    return json.loads(text, parse_float=Decimal)


@pytest.fixture(scope="module")
def recorded(corpus):
    """(body, model, expected figures) for each protocol that can read a body and has a price."""
    return [
        (answer["body"], answer.get("model"), figure)
        for answer in answers(corpus)
        for reading in answer["extracted"]
        for figure in reading["extractors"]
        if "input_price" in figure
    ]


def cost(body, figure, on: date) -> tuple[Money, Money] | None:
    """Input and output cost, without searches and per-request fees, as the figures are."""
    reading = read_body(body, figure["provider_id"], figure["api_flavor"])
    halves = (half(reading.usage, output=False), half(reading.usage, output=True), Usage())
    paid = [
        book().price(reading.provider, reading.model, part, on, reading.context) for part in halves
    ]
    if not all(isinstance(part, Priced) for part in paid):
        return None
    came_in, went_out, fixed = (part.list for part in paid)
    return came_in - fixed, went_out - fixed


def half(usage: Usage, output: bool) -> Usage:
    details = {
        unit: count
        for unit, count in usage.details.items()
        if unit.endswith("_tokens") and unit.startswith("output_") == output
    }
    if output:
        return Usage(
            output_visible=usage.output_visible, reasoning=usage.reasoning, details=details
        )
    return Usage(
        usage.input_fresh,
        usage.cache_read,
        usage.cache_write_short,
        usage.cache_write_long,
        details=details,
    )


def expected(figure) -> tuple[Money, Money]:
    return Money.of(figure["input_price"]), Money.of(figure["output_price"])


@pytest.mark.corpus
def test_every_recorded_answer_costs_the_recorded_figure_or_is_listed(recorded):
    assert len(recorded) > 1600
    differing = Counter()
    for body, model, figure in recorded:
        if cost(body, figure, PINNED) != expected(figure):
            assert (figure["provider_id"], model) in REASONS, (figure, body)
            differing[figure["provider_id"], model] += 1
    assert differing == {pair: entry["answers"] for pair, entry in REASONS.items()}


@pytest.mark.corpus
def test_a_listed_difference_is_a_matter_of_the_date(recorded):
    for body, model, figure in recorded:
        entry = REASONS.get((figure["provider_id"], model))
        if entry and "equal_on" in entry:
            assert cost(body, figure, entry["equal_on"]) == expected(figure)


@pytest.mark.corpus
def test_the_protocol_is_guessed_right_without_a_flavor(corpus):
    """An answer read by its shape counts the same as one read by its provider's protocol."""
    own = {"usageMetadata": "gemini", "inputTokens": "bedrock", "ephemeral_5m": "anthropic"}
    checked = Counter()
    for answer in answers(corpus):
        told = json.dumps(answer["body"], default=str)
        maker = next((own[field] for field in own if field in told), None)
        if maker:
            by_shape = read_body(answer["body"])
            assert by_shape.usage == read_body(answer["body"], None, maker).usage
            checked[maker] += 1
    assert set(checked) == set(own.values())
