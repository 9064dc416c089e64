"""Anthropic's usage and cost reports."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given as any_of
from hypothesis import strategies as st

from farthing.ledger.draft import Draft, Problem
from farthing.ledger.importer import Options
from farthing.ledger.importers.anthropic_costs import IMPORTER as COSTS
from farthing.ledger.importers.anthropic_costs import dollars
from farthing.ledger.importers.anthropic_usage import IMPORTER as USAGE
from tests.sources import source


def report(*results: dict[str, Any]) -> str:
    day = {"starting_at": "2026-10-01T00:00:00Z", "ending_at": "2026-10-02T00:00:00Z"}
    return json.dumps({"data": [{**day, "results": list(results)}], "has_more": False})


@any_of(st.decimals(-(10**20), 10**20, places=16))
def test_cents_become_dollars_to_the_last_digit(cents: Decimal) -> None:
    said = dollars(str(cents))
    assert isinstance(said, Decimal)
    assert Fraction(said) * 100 == Fraction(cents)


@pytest.mark.parametrize("said", ["twelve", "1,50", "$3"])
def test_an_amount_that_is_no_number_is_left_for_intake_to_refuse(said: str) -> None:
    assert dollars(said) == said


def test_the_default_workspace_is_no_project() -> None:
    [draft] = COSTS.read(source(report({"amount": "1", "workspace_id": None})), Options())
    assert isinstance(draft, Draft)
    assert draft.project is None


@pytest.mark.parametrize(
    ("kind", "describes"),
    [("tokens", True), ("web_search", True), ("code_execution", False), (None, True)],
)
def test_code_execution_is_in_no_call(kind: str | None, describes: bool) -> None:
    [draft] = COSTS.read(source(report({"amount": "1", "cost_type": kind})), Options())
    assert isinstance(draft, Draft)
    assert draft.describes_calls is describes


def test_a_result_without_an_amount_is_a_problem() -> None:
    given = source(report({"amount": None, "currency": "USD"}))
    assert list(COSTS.read(given, Options())) == [Problem(1, "amount", "is missing")]


def test_input_excludes_what_the_cache_read_and_wrote() -> None:
    said = {
        "uncached_input_tokens": 5,
        "cache_read_input_tokens": 7,
        "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 2},
        "output_tokens": 3,
    }
    [draft] = USAGE.read(source(report(said)), Options())
    assert isinstance(draft, Draft)
    assert draft.input_total is None
    assert (draft.input_fresh, draft.cache_read) == (5, 7)
    assert (draft.cache_write_short, draft.cache_write_long) == (1, 2)


def test_a_cost_report_is_not_taken_for_a_usage_report() -> None:
    given = source(report({"amount": "1", "currency": "USD"}))
    assert USAGE.recognises(given) < 0.3
    [problem] = USAGE.read(given, Options())
    assert isinstance(problem, Problem)
