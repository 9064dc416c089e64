"""Every deliberate difference from genai-prices is listed with its reason, and holds."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import yaml

from farthing.domain.money import Money
from farthing.domain.usage import NO_DETAILS, Usage
from farthing.prices.book import Book, Priced, Unpriced
from farthing.prices.gaps import GAPS
from farthing.prices.sources.genai_prices import SOURCE

LISTED = yaml.safe_load((Path(__file__).parents[2] / "golden/prices_gaps.yaml").read_text())
CASES = [(gap["gap"], case) for gap in LISTED for case in gap["cases"]]


@pytest.fixture(scope="module")
def book() -> Book:
    return Book(SOURCE, gaps=GAPS)


def cost(book: Book, case: dict) -> Money | None:
    told = case["usage"]
    usage = Usage(**{**told, "details": told.get("details", NO_DETAILS)})
    paid = book.price(case["provider"], case["model"], usage, case["day"], case.get("context"))
    return paid.list if isinstance(paid, Priced) else None


def dollars(text: str | None) -> Money | None:
    return None if text is None else Money.of(text)


def test_each_gap_is_listed_with_reason_and_source():
    assert {gap["gap"] for gap in LISTED} == {gap.name for gap in GAPS}
    assert all(gap["reason"] and gap["source"] and gap["cases"] for gap in LISTED)


@pytest.mark.parametrize(("gap", "case"), CASES, ids=[f"{g}-{c['model']}" for g, c in CASES])
def test_a_gap_costs_what_the_provider_charges(book, gap, case):
    assert cost(book, case) == dollars(case["usd"])


@pytest.mark.parametrize(("gap", "case"), CASES, ids=[f"{g}-{c['model']}" for g, c in CASES])
def test_without_the_gap_genai_prices_says_otherwise(gap, case):
    wanted = dollars(case["genai_usd"])
    assert wanted is None or cost(Book(SOURCE), case) == wanted


def test_an_assumed_uplift_is_flagged(book):
    usage, on = Usage(input_fresh=1), datetime(2026, 8, 21, tzinfo=UTC)
    profile = "ca.anthropic.claude-sonnet-4-5-20250929-v1:0"
    assert "assumed_regional_uplift" in book.price("aws", profile, usage, on).flags


def test_a_corrected_price_says_by_what(book):
    sources = {row.source for row in book.rates("deepseek", "deepseek-flash")}
    assert sources == {f"{SOURCE.version()}, corrected: deepseek_hours"}


def test_a_gap_changes_no_other_model(book):
    """One row each of every model outside the gaps: the corrected book equals the plain one."""
    plain, differing = Book(SOURCE), set()
    for found in SOURCE.models():
        if plain.rates(found.provider, found.model) != book.rates(found.provider, found.model):
            differing.add((found.provider, found.model))
    owners = {provider for provider, _ in differing}
    assert owners <= {"openai", "deepseek"}
    assert {model for provider, model in differing if provider == "deepseek"} == {
        "deepseek-chat",
        "deepseek-reasoner",
        "deepseek-flash",
        "deepseek-v4-flash",
        "deepseek-v4-pro",
    }


def test_an_unknown_model_stays_unpriced_with_gaps(book):
    on = date(2026, 8, 21)
    assert book.price("aws", "ca.acme.zorg-v1", Usage(1), on) == Unpriced("unknown_model")
