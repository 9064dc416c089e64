"""Providers' answers as they came."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from farthing.ledger.draft import Draft, Problem
from farthing.ledger.importer import Options
from farthing.ledger.importers.provider_bodies import IMPORTER
from tests.sources import source

CHAT: dict[str, Any] = {
    "id": "chatcmpl-1",
    "created": 1790845200,
    "model": "gpt-4.1-2025-04-14",
    "choices": [],
    "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
}


def read(line: dict[str, Any], **options: Any) -> list[Draft | Problem]:
    return list(IMPORTER.read(source(json.dumps(line)), Options(**options)))


def only(line: dict[str, Any], **options: Any) -> Draft:
    [draft] = read(line, **options)
    assert isinstance(draft, Draft)
    return draft


def test_a_wrapped_and_a_bare_answer_say_the_same() -> None:
    assert only({"body": CHAT}) == only(CHAT)
    assert only({"body": json.dumps(CHAT)}) == only(CHAT)


def test_the_time_of_the_line_wins_over_the_answer_s_own() -> None:
    assert only({"body": CHAT}).time == 1790845200
    assert only({"time": "2026-10-01", "body": CHAT}).time == "2026-10-01"


def test_the_provider_may_be_given_for_the_whole_file() -> None:
    assert only(CHAT, provider="openai").provider == "openai"
    assert only({"provider": "azure", "body": CHAT}, provider="openai").provider == "azure"


def test_further_fields_of_the_line_are_scope_and_tags() -> None:
    draft = only({"body": CHAT, "team": "search", "run": 7, "tags": {"arm": "b"}})
    assert (draft.team, draft.tags) == ("search", {"run": "7", "arm": "b"})


def test_what_the_provider_reports_is_kept_to_the_digit() -> None:
    body = {**CHAT, "usage": {**CHAT["usage"], "cost": 0.00014}}
    assert only({"provider": "openrouter", "body": body}).reported_usd == "0.00014"


def test_an_error_answer_is_a_call_that_failed() -> None:
    draft = only({"provider": "openai", "body": {"error": {"message": "overloaded"}}})
    assert (draft.status, draft.input_fresh) == ("error", None)


def test_an_answer_without_usage_is_a_problem_that_names_the_field() -> None:
    [problem] = read({"provider": "openai", "body": {"id": "x", "choices": []}})
    assert isinstance(problem, Problem)
    assert problem.field == "usage"


def test_a_body_that_is_no_object_is_a_problem() -> None:
    assert read({"body": "data: [DONE]"}) == [Problem(1, "body", "is not a JSON object")]


def test_runs_inside_one_answer_are_attempts_of_one_call() -> None:
    usage = {
        "input_tokens": 10,
        "output_tokens": 5,
        "iterations": [
            {
                "type": "advisor_message",
                "model": "claude-opus-5-5",
                "input_tokens": 7,
                "output_tokens": 3,
                "cache_read_input_tokens": 0,
                "cache_creation_input_tokens": 0,
            },
        ],
    }
    body = {"id": "msg_1", "type": "message", "model": "claude-sonnet-4-5-20250929", "usage": usage}
    rows = [row for row in read({"provider": "anthropic", "body": body}) if isinstance(row, Draft)]
    assert {row.response_id for row in rows} == {"msg_1"}
    assert [row.attempt for row in rows] == [None, *range(2, len(rows) + 1)]


@pytest.mark.parametrize(
    "line",
    [{"body": CHAT}, CHAT, {"provider": "openai", "body": CHAT}, {"custom_id": "1", "result": {}}],
)
def test_answers_are_recognised(line: dict[str, Any]) -> None:
    assert IMPORTER.recognises(source(json.dumps(line))) > 0.7


@pytest.mark.corpus
def test_every_recorded_answer_is_read(corpus: Path) -> None:
    recorded = json.loads(gzip.decompress((corpus / "usage/usage_bodies.json.gz").read_bytes()))
    lines = [
        {
            "provider": extractor["provider_id"],
            "api_flavor": extractor["api_flavor"],
            "body": case["body"],
        }
        for case in recorded
        for group in case["extracted"]
        if group["usage"]
        for extractor in group["extractors"]
    ]
    text = "\n".join(json.dumps(line) for line in lines)
    rows = list(IMPORTER.read(source(text), Options()))
    assert {row.line for row in rows} == set(range(1, len(lines) + 1))
    assert [row for row in rows if isinstance(row, Problem)] == []
