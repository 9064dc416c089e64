"""Langfuse observations."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given as any_of
from hypothesis import strategies as st

from farthing.ledger.draft import Draft
from farthing.ledger.importer import Options
from farthing.ledger.importers.langfuse import IMPORTER
from tests.sources import source

COUNTS = st.integers(0, 10**6)


def read(**said: Any) -> Draft:
    row = {"id": "o", "traceId": "t", "type": "GENERATION", "startTime": "2026-10-01T09:00:00Z"}
    [draft] = IMPORTER.read(source(json.dumps({**row, **said})), Options())
    assert isinstance(draft, Draft)
    return draft


def tokens(draft: Draft) -> int:
    """All tokens, as intake would add them up."""
    parts = (draft.cache_read, draft.cache_write_short, draft.cache_write_long, draft.reasoning)
    inside = sum(int(part or 0) for part in parts)
    if draft.input_total is not None:
        return int(draft.input_total) + int(draft.output_total or 0)
    return int(draft.input_fresh or 0) + int(draft.output_visible or 0) + inside


@any_of(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
def test_parts_that_langfuse_took_out_add_up_to_the_total(
    fresh: int, read_: int, written: int, audio: int, visible: int, thought: int
) -> None:
    details = {
        "input": fresh,
        "input_cached_tokens": read_,
        "cache_creation_input_tokens": written,
        "input_audio_tokens": audio,
        "output": visible,
        "output_reasoning_tokens": thought,
    }
    draft = read(usageDetails={**details, "total": sum(details.values())})
    assert tokens(draft) == sum(details.values())
    assert draft.flags is None


@any_of(st.integers(1, 10**6), st.integers(1, 10**6), COUNTS)
def test_parts_inside_input_and_output_are_not_counted_twice(
    cached: int, thought: int, more: int
) -> None:
    details = {
        "input": cached + more,
        "cache_read_input_tokens": cached,
        "output": thought + more,
        "reasoning_tokens": thought,
    }
    total = details["input"] + details["output"]
    draft = read(usageDetails={**details, "total": total})
    assert tokens(draft) == total
    assert (draft.cache_read, draft.reasoning, draft.flags) == (cached, thought, None)


def test_without_a_total_the_parts_are_disjoint() -> None:
    draft = read(usageDetails={"input": 10, "cache_read_input_tokens": 90, "output": 5})
    assert (draft.input_fresh, draft.cache_read, draft.output_visible) == (10, 90, 5)


def test_one_hour_writes_are_long_ones() -> None:
    draft = read(usageDetails={"input_cache_creation_5m": 1, "input_cache_creation_1h": 2})
    assert (draft.cache_write_short, draft.cache_write_long) == (1, 2)


def test_a_prompt_that_is_a_number_is_not_a_count() -> None:
    draft = read(input=4711, output="42", model="gpt-4.1")
    assert (draft.input_total, draft.output_total) == (None, None)


@pytest.mark.parametrize("kind", ["SPAN", "AGENT", "TOOL", "CHAIN", "EVENT", "RETRIEVER"])
def test_what_is_around_generations_is_no_call(kind: str) -> None:
    row = {"id": "o", "traceId": "t", "type": kind, "usageDetails": {"input": 1}}
    assert list(IMPORTER.read(source(json.dumps(row)), Options())) == []


def test_what_langfuse_computed_is_a_tag() -> None:
    for said in (
        {"totalCost": 0.25},
        {"calculatedTotalCost": 0.25},
        {"costDetails": {"total": 0.25}},
    ):
        draft = read(**said)
        assert draft.reported_usd is None
        assert draft.tags == {"source_cost_usd": "0.25"}


def test_metadata_fills_scope_and_tags_but_long_texts_stay_out() -> None:
    draft = read(metadata={"team": "search", "customer": "acme", "note": "x" * 200, "run": 7})
    assert (draft.team, draft.customer, draft.tags) == ("search", "acme", {"run": "7"})


def test_the_environment_of_the_observation_wins() -> None:
    assert read(environment="production", metadata={"environment": "x"}).environment == "production"


def test_a_prompt_s_name_and_version_are_the_template() -> None:
    assert read(promptName="answer", promptVersion=3).template_id == "answer:3"
    assert read(promptName="answer").template_id == "answer"
