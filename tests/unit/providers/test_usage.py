"""Each protocol's usage block becomes disjoint buckets; the blocks are the vendors' own types."""

import json
from decimal import Decimal

import anthropic.types as anthropic_types
import anthropic.types.beta as anthropic_beta
import google.genai.types as gemini_types
import openai.types as openai_types
import openai.types.beta as openai_beta
import openai.types.chat as openai_chat
import openai.types.responses as openai_responses
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farthing.domain.errors import BadInput
from farthing.domain.usage import Usage
from farthing.providers.usage import FLAVORS, read_body

CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_790_000_000,
    "model": "gpt-5.6-sol-2026-06-27",
    "choices": [],
    "service_tier": "flex",
    "usage": {
        "prompt_tokens": 1000,
        "completion_tokens": 300,
        "total_tokens": 1300,
        "prompt_tokens_details": {
            "cached_tokens": 600,
            "cache_write_tokens": 100,
            "audio_tokens": 50,
        },
        "completion_tokens_details": {
            "reasoning_tokens": 200,
            "audio_tokens": 10,
            "rejected_prediction_tokens": 5,
            "accepted_prediction_tokens": 0,
        },
    },
}
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1_790_000_000,
    "model": "gpt-6.1-terra",
    "output": [],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "service_tier": "default",
    "usage": {
        "input_tokens": 1000,
        "input_tokens_details": {
            "cached_tokens": 200,
            "cache_write_tokens": 500,
            "cache_write_tokens_details": {"ttl_30m_tokens": 100, "ttl_12h_tokens": 400},
        },
        "output_tokens": 50,
        "output_tokens_details": {"reasoning_tokens": 20},
        "total_tokens": 1050,
    },
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-4-6",
    "content": [],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 100,
        "cache_read_input_tokens": 2000,
        "cache_creation_input_tokens": 500,
        "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 300},
        "output_tokens": 80,
        "output_tokens_details": {"thinking_tokens": 30},
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1},
        "service_tier": "batch",
        "speed": "fast",
        "inference_geo": "us",
    },
}
GEMINI = {
    "responseId": "r1",
    "modelVersion": "gemini-2.5-pro",
    "candidates": [],
    "usageMetadata": {
        "promptTokenCount": 1000,
        "cachedContentTokenCount": 400,
        "candidatesTokenCount": 50,
        "thoughtsTokenCount": 70,
        "toolUsePromptTokenCount": 30,
        "totalTokenCount": 1150,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": 700},
            {"modality": "AUDIO", "tokenCount": 300},
        ],
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 100}],
        "trafficType": "ON_DEMAND",
    },
}
CONVERSE = {
    "output": {},
    "stopReason": "end_turn",
    "serviceTier": {"type": "priority"},
    "usage": {
        "inputTokens": 10,
        "outputTokens": 20,
        "totalTokens": 530,
        "cacheReadInputTokens": 400,
        "cacheWriteInputTokens": 100,
        "cacheDetails": [{"ttl": "5m", "inputTokens": 40}, {"ttl": "1h", "inputTokens": 60}],
    },
}
EMBEDDING = {
    "object": "list",
    "data": [],
    "model": "text-embedding-3-small",
    "usage": {"prompt_tokens": 9, "total_tokens": 9},
}


def test_the_fixtures_are_what_the_vendors_types_describe():
    chat = openai_chat.ChatCompletion.model_validate(CHAT)
    assert chat.usage.prompt_tokens_details.cache_write_tokens == 100
    response = openai_responses.Response.model_validate(RESPONSE)
    assert response.usage.input_tokens_details.cached_tokens == 200
    written = openai_beta.BetaResponseUsage.model_validate(RESPONSE["usage"])
    assert written.input_tokens_details.cache_write_tokens_details.ttl_12h_tokens == 400
    message = anthropic_types.Message.model_validate(MESSAGE)
    assert message.usage.cache_creation.ephemeral_1h_input_tokens == 300
    assert anthropic_beta.BetaUsage.model_validate(MESSAGE["usage"]).speed == "fast"
    gemini = gemini_types.GenerateContentResponse.model_validate(GEMINI)
    assert gemini.usage_metadata.tool_use_prompt_token_count == 30
    assert openai_types.CreateEmbeddingResponse.model_validate(EMBEDDING).usage.total_tokens == 9


@pytest.mark.parametrize("flavor", [None, "chat"])
def test_openai_chat_counts_cached_reads_and_writes_within_the_prompt(flavor):
    reading = read_body(CHAT, "openai", flavor)
    details = {"input_audio_tokens": 50, "output_audio_tokens": 10}
    assert reading.usage == Usage(300, 600, 100, 0, 100, 200, details)
    assert (reading.response_id, reading.model) == ("chatcmpl-1", "gpt-5.6-sol-2026-06-27")
    assert reading.context == {"service_tier": "flex"}
    assert reading.flags == ()


@pytest.mark.parametrize("flavor", [None, "responses"])
def test_openai_responses_split_cache_writes_by_how_long_they_last(flavor):
    assert read_body(RESPONSE, "openai", flavor).usage == Usage(300, 200, 100, 400, 30, 20)


def test_the_terminal_event_of_a_responses_stream_is_an_answer():
    event = {"type": "response.completed", "response": RESPONSE}
    assert read_body(event, "openai").usage == read_body(RESPONSE, "openai").usage


def test_searches_in_the_output_are_counted_but_opened_pages_are_not():
    def call(action: str) -> dict:
        return {"type": "web_search_call", "status": "completed", "action": {"type": action}}

    output = [call("search"), call("open_page"), call("search"), {"type": "message"}]
    broken = [7, {"type": {}}, {"type": "web_search_call", "status": "failed", "action": 3}]
    usage = read_body({**RESPONSE, "output": [*output, *broken]}, "openai").usage
    assert usage.details == {"web_searches": 2}


@pytest.mark.parametrize("flavor", [None, "anthropic", "messages"])
def test_anthropic_counts_cached_tokens_beside_the_input(flavor):
    reading = read_body(MESSAGE, None, flavor)
    assert reading.usage == Usage(100, 2000, 200, 300, 50, 30, {"web_searches": 2})
    assert reading.provider == "anthropic"
    assert reading.context == {
        "processing": "batch",
        "speed": "fast",
        "inference_geo": "us",
    }


def test_anthropic_cache_writes_without_a_split_are_short():
    usage = {
        "input_tokens": 1,
        "output_tokens": 1,
        "cache_creation_input_tokens": 7,
        "cache_read_input_tokens": None,
        "inference_geo": "not_available",
    }
    reading = read_body({**MESSAGE, "usage": usage})
    assert reading.usage == Usage(1, 0, 7, 0, 1)
    assert reading.context == {}


def test_model_runs_beside_the_answer_are_readings_of_their_own():
    runs = [
        {"type": "message", "input_tokens": 100, "output_tokens": 80},
        {"type": "compaction", "input_tokens": 900, "output_tokens": 40},
        {
            "type": "advisor_message",
            "model": "claude-opus-4-8",
            "input_tokens": 50,
            "output_tokens": 5,
        },
    ]
    reading = read_body({**MESSAGE, "usage": {**MESSAGE["usage"], "iterations": runs}})
    assert reading.usage.input_tokens == 2600
    compaction, advisor = reading.also
    assert (compaction.model, compaction.usage) == (
        "claude-opus-4-6",
        Usage(900, output_visible=40),
    )
    assert (advisor.model, advisor.usage) == ("claude-opus-4-8", Usage(50, output_visible=5))
    assert advisor.flags == ("advisor_message",)


@pytest.mark.parametrize("flavor", [None, "gemini", "default"])
def test_gemini_counts_thoughts_and_tool_prompts_beside_the_rest(flavor):
    reading = read_body(GEMINI, "vertex_ai", flavor)
    assert reading.usage == Usage(
        630,
        400,
        0,
        0,
        50,
        70,
        {
            "input_text_tokens": 700,
            "input_audio_tokens": 300,
            "cache_audio_read_tokens": 100,
            "input_tool_tokens": 30,
        },
    )
    assert (reading.provider, reading.model, reading.response_id) == (
        "google",
        "gemini-2.5-pro",
        "r1",
    )


def test_bedrock_counts_cached_tokens_beside_the_input():
    reading = read_body(CONVERSE)
    assert reading.usage == Usage(10, 400, 40, 60, 20)
    assert (reading.provider, reading.model) == ("aws", None)
    assert reading.context == {"service_tier": "priority"}


def test_an_embedding_has_input_only():
    assert read_body(EMBEDDING, "openai").usage == Usage(9)


@pytest.mark.parametrize(
    ("provider", "usage", "expected"),
    [
        ("deepseek", {"prompt_cache_hit_tokens": 8}, Usage(2, 8, output_visible=5)),
        ("moonshot", {"cached_tokens": 8}, Usage(2, 8, output_visible=5)),
        ("groq", {"prompt_tokens_details": {"cached_tokens": 8}}, Usage(2, 8, output_visible=5)),
        (
            "xai",
            {"completion_tokens_details": {"reasoning_tokens": 3}},
            Usage(10, output_visible=5, reasoning=3),
        ),
        (
            "perplexity",
            {"reasoning_tokens": 3, "citation_tokens": 2, "num_search_queries": 4},
            Usage(
                10,
                output_visible=7,
                reasoning=3,
                details={"output_citation_tokens": 2, "web_searches": 4},
            ),
        ),
        (
            "mistral",
            {"completion_tokens_details": {"reasoning_tokens": 3}},
            Usage(10, output_visible=2, reasoning=3),
        ),
    ],
)
def test_openai_compatible_providers_have_fields_of_their_own(provider, usage, expected):
    body = {"model": "m", "usage": {"prompt_tokens": 10, "completion_tokens": 5, **usage}}
    assert read_body(body, provider).usage == expected


def test_a_cost_that_the_provider_reports_is_kept_as_it_was_written():
    def reported(text: str) -> str | None:
        usage = f'{{"prompt_tokens": 1, "completion_tokens": 1, {text}}}'
        body = json.loads(f'{{"model": "m", "usage": {usage}}}', parse_float=Decimal)
        return read_body(body, "openrouter").reported_usd

    assert reported('"cost": 0.000123') == "0.000123"
    assert reported('"cost": 1E-7') == "0.0000001"
    assert reported('"cost": 0') == "0"
    assert reported('"cost_in_usd_ticks": 37756000') == "0.0037756"
    assert reported('"cost": {"total_cost": 1}') is None
    assert reported('"cost": 1e300') is None
    assert reported('"cost": 0.01, "is_byok": true') is None


def test_a_batch_line_is_unwrapped_and_priced_as_a_batch():
    line = {"custom_id": "1", "response": {"status_code": 200, "body": CHAT}}
    assert read_body(line, "openai").context == {"service_tier": "flex", "processing": "batch"}
    result = {"custom_id": "1", "result": {"type": "succeeded", "message": MESSAGE}}
    assert read_body(result).context["processing"] == "batch"


def test_audio_that_is_billed_by_time_counts_begun_seconds():
    body = {"text": "…", "usage": {"type": "duration", "seconds": 12.2}}
    expected = {"audio_seconds": 13, "input_audio_seconds": 13}
    assert read_body(body, "openai").usage.details == expected


def test_pages_are_counted_where_pages_are_billed():
    body = {"model": "mistral-ocr-latest", "usage_info": {"pages_processed": 3}}
    assert read_body(body).usage.details == {"input_document_pages": 3}
    annotated = {"input_document_pages": 3, "input_annotated_document_pages": 3}
    assert read_body(body, None, "ocr_annotated").usage.details == annotated


def test_cohere_is_read_by_what_it_bills():
    usage = {
        "billed_units": {"input_tokens": 5, "output_tokens": 2},
        "tokens": {"input_tokens": 99},
    }
    assert read_body({"usage": usage}).usage == Usage(5, output_visible=2)


def test_overlapping_counts_are_kept_and_flagged():
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 1,
        "prompt_tokens_details": {"cached_tokens": 50},
    }
    reading = read_body({"usage": usage}, "openai")
    assert reading.usage.input_fresh == -40
    assert reading.flags == ("suspect",)
    usage = {**usage, "prompt_tokens_details": {"audio_tokens": 50}}
    assert read_body({"usage": usage}, "openai").flags == ("suspect",)


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "usage"),
        ({"usage": None}, "usage"),
        ({"usage": {}}, "usage"),
        ({"usage": "much"}, "usage"),
        ({"error": {"message": "no"}}, "usage"),
        ({"usage": {"prompt_tokens": "many"}}, "usage.prompt_tokens"),
        ({"usage": {"prompt_tokens": -1}}, "usage.prompt_tokens"),
        ({"usage": {"prompt_tokens": True}}, "usage.prompt_tokens"),
        ({"usage": {"prompt_tokens": 1.5}}, "usage.prompt_tokens"),
        ({"usage": {"prompt_tokens": float("nan")}}, "usage.prompt_tokens"),
        ({"usage": {"prompt_tokens": 10**15}}, "usage.prompt_tokens"),
        (
            {"usage": {"prompt_tokens": 1, "prompt_tokens_details": {"cached_tokens": [1]}}},
            "usage.prompt_tokens_details.cached_tokens",
        ),
        ({"usageMetadata": {"promptTokenCount": "1"}}, "usageMetadata.promptTokenCount"),
    ],
)
def test_what_is_no_count_is_refused_by_name(body, where):
    with pytest.raises(BadInput) as refused:
        read_body(body)
    assert refused.value.where == where


WORDS = """
    usage usageMetadata usage_info input_tokens output_tokens prompt_tokens inputTokens model id
    completion_tokens prompt_tokens_details cached_tokens iterations type meta billed_units body
    response result message promptTokensDetails output action seconds service_tier cost
"""
words = st.sampled_from(WORDS.split())
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(words, json_values, max_size=5), st.sampled_from([None, *FLAVORS]))
def test_no_answer_however_broken_is_more_than_refused(body, flavor):
    try:
        reading = read_body(body, "openai", flavor)
    except BadInput:
        return
    assert all(count >= 0 for count in reading.usage.details.values())
