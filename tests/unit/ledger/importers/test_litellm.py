"""LiteLLM's spend logs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from farthing.ledger.draft import Draft, Problem
from farthing.ledger.importer import Options
from farthing.ledger.importers.litellm import IMPORTER
from tests.sources import source

ROW: dict[str, Any] = {
    "request_id": "chatcmpl-1",
    "call_type": "acompletion",
    "api_key": "88dc28d0f030c55ed4ab77ed8faf0981",
    "spend": 0.5,
    "prompt_tokens": 10,
    "completion_tokens": 5,
    "startTime": "2026-10-01T09:00:00Z",
    "endTime": "2026-10-01T09:00:01Z",
    "model": "gpt-4.1",
    "custom_llm_provider": "openai",
    "metadata": {},
    "cache_hit": "False",
    "request_tags": [],
}


@pytest.fixture
def read() -> Callable[..., Draft]:
    def one(**more: Any) -> Draft:
        [draft] = IMPORTER.read(source(json.dumps({**ROW, **more})), Options())
        assert isinstance(draft, Draft)
        return draft

    return one


def test_a_raw_key_is_never_kept(read: Callable[..., Draft]) -> None:
    assert b"sk-" not in msgspec.json.encode(read(api_key="sk-proj-secret"))


def test_a_key_goes_by_its_alias_else_by_the_start_of_its_hash(
    read: Callable[..., Draft],
) -> None:
    assert read(metadata={"user_api_key_alias": "search-prod"}).key == "search-prod"
    assert read().key == "88dc28d0f030"


def test_a_hit_of_the_cache_was_never_sent_and_is_a_call_of_its_own(
    read: Callable[..., Draft],
) -> None:
    hit = read(cache_hit="True", request_id="chatcmpl-1_cache_hit1790845260.5")
    assert (hit.attempt, hit.response_id, hit.flags) == (0, None, ["cache_hit"])
    assert hit.source_id != read().source_id


def test_what_litellm_computed_is_not_what_the_provider_reported(
    read: Callable[..., Draft],
) -> None:
    draft = read()
    assert draft.reported_usd is None
    assert draft.tags is not None
    assert draft.tags["source_cost_usd"] == "0.5"


def test_a_failure_is_an_error_without_an_answer(read: Callable[..., Draft]) -> None:
    for failed in (read(status="failure"), read(metadata={"status": "failure"})):
        assert (failed.status, failed.response_id) == ("error", None)


def test_a_request_tag_does_not_overrule_the_team_of_the_key(
    read: Callable[..., Draft],
) -> None:
    draft = read(team_id="t-1", request_tags=["team:other"])
    assert draft.team == "t-1"
    assert draft.tags is not None
    assert draft.tags["label.team"] == "other"
    assert read(request_tags=["team:other"]).team == "other"


@pytest.mark.parametrize(
    ("said", "operation"),
    [
        ("acompletion", "chat"),
        ("embedding", "embeddings"),
        ("anthropic_messages", "chat"),
        ("aimage_generation", "aimage_generation"),
    ],
)
def test_operations_have_opentelemetry_s_names(
    said: str, operation: str, read: Callable[..., Draft]
) -> None:
    assert read(call_type=said).operation == operation


def test_times_without_an_offset_are_utc(read: Callable[..., Draft]) -> None:
    draft = read(startTime="2026-10-01 09:00:00", endTime="2026-10-01 09:00:02")
    assert (draft.time, draft.latency_ms) == ("2026-10-01 09:00:00+00:00", 2000)


def test_bad_values_pass_as_they_are(read: Callable[..., Draft]) -> None:
    draft = read(prompt_tokens=-5, startTime="yesterday")
    assert (draft.input_total, draft.time) == (-5, "yesterday")


def test_rows_inside_an_answer_are_found() -> None:
    given = source(json.dumps({"data": [ROW, ROW], "total": 2, "page": 1}))
    assert IMPORTER.recognises(given) > 0.8
    assert len(list(IMPORTER.read(given, Options()))) == 2


def test_a_row_without_a_request_id_is_a_problem() -> None:
    assert list(IMPORTER.read(source('{"spend": 1}'), Options())) == [
        Problem(1, "request_id", "is missing")
    ]
