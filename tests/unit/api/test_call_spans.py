"""Rows as spans: the conventions' names, each token and dollar once, nothing invented."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span, Status
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv._incubating.attributes.gen_ai_attributes import GenAiProviderNameValues

from farthing.api import call_spans
from farthing.api.call_spans import Surroundings
from farthing.domain.call import Traced
from farthing.domain.money import Money
from farthing.domain.trace import span_id
from farthing.ledger.importers import otlp
from farthing.prices.names import provider_of
from tests.collectors import said
from tests.unit.api.rows import PARENT, TRACE, call_id, failed, refused, row

AROUND = Surroundings({("openai", None): ("api.openai.com", 443)}, {"k1": "acme"})
KNOWN = {v for k, v in vars(gen_ai_attributes).items() if k.startswith("GEN_AI_")}


def attempt(of: Traced) -> tuple[Span, dict[str, Any]]:
    into = ScopeSpans()
    call_spans.attempt(into, of, AROUND)
    return into.spans[0], said(into.spans[0])


def whole(*rows: Traced) -> tuple[Span, dict[str, Any]]:
    into = ScopeSpans()
    call_spans.call(into, list(rows), AROUND)
    return into.spans[0], said(into.spans[0])


def test_an_attempt_has_the_names_and_totals_of_the_conventions() -> None:
    span, told = attempt(row(session_id="s1", context='{"service_tier":"flex","speed":"fast"}'))
    assert (span.name, span.kind) == ("chat gpt-4o", Span.SPAN_KIND_CLIENT)
    assert told["gen_ai.usage.input_tokens"] == 127
    assert told["gen_ai.usage.output_tokens"] == 57
    assert told["gen_ai.usage.cache_read.input_tokens"] == 20
    assert told["gen_ai.usage.cache_creation.input_tokens"] == 7
    assert told["gen_ai.usage.reasoning.output_tokens"] == 7
    assert told["gen_ai.response.time_to_first_chunk"] == 0.295
    assert told["gen_ai.response.model"] == "gpt-4o-2024-08-06"
    assert (told["server.address"], told["server.port"]) == ("api.openai.com", 443)
    assert told["openai.response.service_tier"] == "flex"
    assert told["farthing.context.speed"] == "fast"
    # A cost is not of the conventions; backends look for it there all the same.
    assert {n for n in told if n.startswith("gen_ai.")} <= KNOWN | {"gen_ai.usage.cost"}
    assert "error.type" not in told
    assert span.status.code == Status.STATUS_CODE_UNSET


def test_its_cost_is_told_exactly_and_as_a_number() -> None:
    _, told = attempt(row())
    assert told["farthing.cost_usd_exact"] == "0.000123456789"
    assert told["farthing.cost_usd"] == told["gen_ai.usage.cost"] == 0.000123456789
    _, unpriced = attempt(row(effective_usd=None))
    assert not {name for name in unpriced if "cost" in name}


def test_it_says_whose_it_is_and_names_no_label_like_a_convention() -> None:
    _, told = attempt(row(tags='{"http.url":"x","ticket":"OPS-1","user":"bob"}'))
    assert (told["farthing.team"], told["farthing.tenant"]) == ("search", "acme")
    assert (told["farthing.key"], told["farthing.request_id"]) == ("k1", call_id(1))
    assert (told["farthing.tag.ticket"], told["user.id"]) == ("OPS-1", "bob")
    assert told["farthing.tag.http.url"] == "x"
    assert "http.url" not in told


def test_a_call_is_the_callers_child_and_its_attempts_are_its_children() -> None:
    parent = {"trace_id": TRACE, "parent_span": f"{PARENT}-01", "trace_state": "rojo=1"}
    above, _ = whole(row(**parent))
    below, _ = attempt(row(**parent))
    assert above.trace_id.hex() == below.trace_id.hex() == TRACE
    assert above.parent_span_id.hex() == PARENT
    assert below.parent_span_id == above.span_id == bytes.fromhex(span_id(call_id(1), 0))
    assert above.trace_state == below.trace_state == "rojo=1"
    assert (above.flags, below.flags) == (0x301, 0x101)


def test_a_call_without_a_trace_is_the_root_of_its_own() -> None:
    span, _ = whole(row())
    assert (span.trace_id.hex(), span.parent_span_id) == (call_id(1), b"")
    assert attempt(row(trace_id="no hexadecimal number, yet as long"))[0].trace_id == span.trace_id


def test_times_are_those_of_the_call_and_of_its_attempts() -> None:
    first, second = failed(latency_ms=200), row(attempt=2, sent_ms=350)
    above, told = whole(first, second)
    below, _ = attempt(second)
    began = 1_793_620_800_250_000_000
    assert (above.start_time_unix_nano, above.end_time_unix_nano) == (began, began + 900 * 10**6)
    assert below.start_time_unix_nano == began + 350 * 10**6
    assert told["farthing.call.attempts"] == 2
    assert told["farthing.call.cost_usd_exact"] == "0.000123456789"


def test_what_went_wrong_is_named() -> None:
    span, told = attempt(failed())
    assert told["error.type"] == "503"
    assert (span.status.code, span.status.message) == (Status.STATUS_CODE_ERROR, "503")
    assert "gen_ai.response.model" not in told
    assert attempt(failed(flags="estimated"))[1]["error.type"] == "lost"
    assert attempt(failed(flags="not_sent"))[1]["error.type"] == "not_sent"
    assert attempt(row(status="recovered"))[1]["error.type"] == "outcome_unknown"


def test_a_refusal_is_told_with_its_code_and_a_hit_with_what_it_saved() -> None:
    span, told = whole(refused())
    assert told["farthing.call.refusal"] == told["error.type"] == "budget_exhausted"
    assert span.status.code == Status.STATUS_CODE_UNSET
    assert told["farthing.call.attempts"] == 0
    hit = {"status": "ok", "cache": "hit", "counterfactual_usd": Money.of("0.01")}
    _, told = whole(Traced(**{**_fields(refused()), **hit, "reason": "cache"}))
    assert (told["farthing.call.saved_usd_exact"], told["farthing.call.saved_by"]) == (
        "0.01",
        "cache",
    )
    assert "farthing.call.refusal" not in told


def test_only_attempts_count_as_calls_of_a_model() -> None:
    assert otlp.is_call(attempt(row())[1])
    assert not otlp.is_call(whole(row())[1])
    assert not otlp.is_call(attempt(row(operation=None))[1])


@pytest.mark.parametrize("provider", ["openai", "azure", "google", "aws", "mistral", "x-ai"])
def test_a_provider_has_its_well_known_name_and_is_found_again_by_it(provider: str) -> None:
    _, told = attempt(row(provider=provider))
    assert told["gen_ai.provider.name"] in {each.value for each in GenAiProviderNameValues}
    assert provider_of(told["gen_ai.provider.name"]) == provider


def _fields(of: Traced) -> dict[str, Any]:
    return {name: getattr(of, name) for name in of.__struct_fields__}
