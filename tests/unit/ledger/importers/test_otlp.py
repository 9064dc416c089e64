"""OpenTelemetry traces in OTLP/JSON."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given as any_of
from hypothesis import strategies as st

from farthing.ledger.draft import Draft, Problem
from farthing.ledger.importer import Options
from farthing.ledger.importers.otlp import IMPORTER, attributes, is_call
from tests.sources import source

CHAT = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai"}


def value(said: Any) -> dict[str, Any]:
    if isinstance(said, bool):
        return {"boolValue": said}
    if isinstance(said, int):
        return {"intValue": str(said)}
    if isinstance(said, float):
        return {"doubleValue": said}
    return {"stringValue": said}


def trace(said: dict[str, Any], resource: dict[str, Any] | None = None, **span: Any) -> str:
    pairs = [{"key": key, "value": value(v)} for key, v in said.items()]
    around = [{"key": key, "value": value(v)} for key, v in (resource or {}).items()]
    one = {"traceId": "0" * 31 + "1", "spanId": "0" * 15 + "1", "attributes": pairs, **span}
    return json.dumps(
        {"resourceSpans": [{"resource": {"attributes": around}, "scopeSpans": [{"spans": [one]}]}]}
    )


def read(said: dict[str, Any], resource: dict[str, Any] | None = None, **span: Any) -> Draft:
    [draft] = IMPORTER.read(source(trace({**CHAT, **said}, resource, **span)), Options())
    assert isinstance(draft, Draft)
    return draft


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"gen_ai.operation.name": "chat"}, True),
        ({"gen_ai.operation.name": "embeddings"}, True),
        ({"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 1}, False),
        ({"gen_ai.operation.name": "execute_tool"}, False),
        ({"openinference.span.kind": "LLM"}, True),
        ({"openinference.span.kind": "AGENT", "llm.token_count.prompt": 1}, False),
        ({"traceloop.span.kind": "workflow", "gen_ai.system": "openai"}, False),
        ({"gen_ai.system": "openai", "gen_ai.request.model": "gpt-4.1"}, True),
        ({"gen_ai.usage.input_tokens": 5}, False),
        ({"http.request.method": "GET"}, False),
    ],
)
def test_only_spans_that_called_a_model_are_calls(said: dict[str, Any], expected: bool) -> None:
    assert is_call(said) is expected


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("gen_ai.usage.input_tokens", "input_total"),
        ("gen_ai.usage.prompt_tokens", "input_total"),
        ("llm.usage.prompt_tokens", "input_total"),
        ("llm.token_count.prompt", "input_total"),
        ("gen_ai.usage.output_tokens", "output_total"),
        ("gen_ai.usage.completion_tokens", "output_total"),
        ("llm.token_count.completion", "output_total"),
        ("gen_ai.usage.cache_read.input_tokens", "cache_read"),
        ("gen_ai.usage.cached_tokens", "cache_read"),
        ("gen_ai.usage.cache_read_input_tokens", "cache_read"),
        ("llm.token_count.prompt_details.cache_read", "cache_read"),
        ("gen_ai.usage.cache_creation.input_tokens", "cache_write_short"),
        ("gen_ai.usage.cache_write.input_tokens", "cache_write_short"),
        ("llm.token_count.prompt_details.cache_write", "cache_write_short"),
        ("gen_ai.usage.reasoning.output_tokens", "reasoning"),
        ("llm.token_count.completion_details.reasoning", "reasoning"),
    ],
)
def test_every_generation_s_name_of_a_count_is_known(name: str, field: str) -> None:
    assert getattr(read({name: 7}), field) == 7


def test_the_newer_name_wins_over_the_older_one() -> None:
    both = {"gen_ai.usage.prompt_tokens": 1, "gen_ai.usage.input_tokens": 2}
    assert read(both).input_total == 2


@any_of(st.integers(0, 2**63 - 1))
def test_an_int64_is_read_from_text_and_from_a_number(n: int) -> None:
    for said in (str(n), n):
        pairs = [{"key": "n", "value": {"intValue": said}}]
        assert attributes(pairs) == {"n": n}


def test_cached_tokens_beyond_the_input_pass_as_reported() -> None:
    draft = read({"gen_ai.usage.input_tokens": 10, "gen_ai.usage.cache_read.input_tokens": 400})
    assert (draft.input_total, draft.cache_read) == (10, 400)


def test_only_openrouter_reports_what_it_charged() -> None:
    said = {"gen_ai.usage.cost": 0.25, "gen_ai.request.model": "m"}
    ours = read({**said, "gen_ai.provider.name": "openrouter"})
    assert (str(ours.reported_usd), ours.tags) == ("0.25", None)
    computed = read(said)
    assert (computed.reported_usd, computed.tags) == (None, {"source_cost_usd": "0.25"})


def test_a_cost_in_another_currency_is_not_called_dollars() -> None:
    said = {"gen_ai.usage.cost": 0.25, "gen_ai.usage.cost.currency": "EUR"}
    draft = read({**said, "gen_ai.provider.name": "openrouter"})
    assert (draft.reported_usd, draft.tags) == (None, {"source_cost_eur": "0.25"})


@any_of(st.dictionaries(st.text(max_size=20), st.text(max_size=300), max_size=60))
def test_tags_are_few_and_short(said: dict[str, str]) -> None:
    tags = read(said).tags or {}
    assert len(tags) <= 32
    assert all(len(text) <= 128 for text in tags.values())


@pytest.mark.parametrize(
    "name",
    [
        *("gen_ai.prompt.0.content", "llm.prompts.0.content", "input.value", "output.value"),
        *("traceloop.entity.input", "ai.prompt", "prompt", "gen_ai.input.messages"),
    ],
)
def test_a_prompt_is_never_kept_however_short(name: str) -> None:
    assert b"my secret" not in msgspec.json.encode(read({name: "my secret"}))


def test_scope_comes_from_the_span_then_from_the_resource() -> None:
    resource = {"farthing.team": "platform", "deployment.environment": "prod", "service.name": "s"}
    draft = read({"team": "search", "farthing.customer": "acme"}, resource)
    assert (draft.customer, draft.environment) == ("acme", "prod")
    assert draft.team == "platform"


@pytest.mark.parametrize(
    "span", [{"status": {"code": 2}}, {"status": {"code": "STATUS_CODE_ERROR"}}]
)
def test_a_span_that_failed_is_an_error(span: dict[str, Any]) -> None:
    assert read({}, **span).status == "error"
    assert read({"error.type": "timeout"}).status == "error"
    assert read({}).status == "ok"


@any_of(st.integers(10**9, 2 * 10**9), st.integers(0, 10**9 - 1))
def test_a_time_keeps_its_microseconds(seconds: int, nanoseconds: int) -> None:
    from datetime import datetime

    draft = read({}, startTimeUnixNano=str(seconds * 10**9 + nanoseconds))
    moment = datetime.fromisoformat(str(draft.time))
    assert int(moment.replace(microsecond=0).timestamp()) == seconds
    assert moment.microsecond == nanoseconds // 1000


def test_a_start_that_was_never_set_is_no_time() -> None:
    assert read({}, startTimeUnixNano="0").time is None


def test_logs_and_metrics_are_refused_line_by_line() -> None:
    given = source('{"resourceLogs": []}\n' + trace(CHAT))
    problem, draft = IMPORTER.read(given, Options())
    assert isinstance(problem, Problem)
    assert isinstance(draft, Draft)
    assert (problem.line, draft.line) == (1, 2)
