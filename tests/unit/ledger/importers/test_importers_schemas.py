"""The golden sources are of the vendors' own shapes: checked against SDK types and schemas."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import TypeAdapter

from tests.sources import GOLDEN


def documents(name: str) -> list[Any]:
    text = (GOLDEN / name).read_text("utf-8")
    if name.endswith(".jsonl"):
        return [json.loads(line) for line in text.splitlines()]
    return [json.loads(text)]


def known_to(model: Any, said: dict[str, Any]) -> None:
    """The SDK parses it strictly and has a field for everything in it."""
    parsed = TypeAdapter(model).validate_python(said)
    assert not getattr(parsed, "model_extra", None), parsed.model_extra


ENDPOINTS = {
    "completions": "usage_completions_response.UsageCompletionsResponse",
    "embeddings": "usage_embeddings_response.UsageEmbeddingsResponse",
    "moderations": "usage_moderations_response.UsageModerationsResponse",
    "images": "usage_images_response.UsageImagesResponse",
    "audio_speeches": "usage_audio_speeches_response.UsageAudioSpeechesResponse",
    "audio_transcriptions": "usage_audio_transcriptions_response.UsageAudioTranscriptionsResponse",
    "web_searches": "usage_web_search_calls_response.UsageWebSearchCallsResponse",
    "file_searches": "usage_file_search_calls_response.UsageFileSearchCallsResponse",
    "vector_stores": "usage_vector_stores_response.UsageVectorStoresResponse",
    "code_interpreter_sessions": (
        "usage_code_interpreter_sessions_response.UsageCodeInterpreterSessionsResponse"
    ),
}


@pytest.mark.parametrize("name", ["completions.json", "other_endpoints.jsonl"])
def test_openai_usage_pages_are_of_the_sdks_types(name: str) -> None:
    from importlib import import_module

    for page in documents(f"openai_usage/{name}"):
        [kind] = {r["object"].split(".")[2] for b in page["data"] for r in b["results"]}
        module, _, model = ENDPOINTS[kind].partition(".")
        admin = import_module(f"openai.types.admin.organization.{module}")
        known_to(getattr(admin, model), page)
        for bucket in page["data"]:
            for result in bucket["results"]:
                known_to(admin.DataResult, result)


@pytest.mark.parametrize("name", ["by_line_item.json", "ungrouped.json"])
def test_openai_cost_pages_are_of_the_sdks_type(name: str) -> None:
    from openai.types.admin.organization.usage_costs_response import (
        DataResultOrganizationCostsResult,
        UsageCostsResponse,
    )

    for page in documents(f"openai_costs/{name}"):
        known_to(UsageCostsResponse, page)
        for bucket in page["data"]:
            for result in bucket["results"]:
                # Seen in answers, not in the SDK.
                known_to(
                    DataResultOrganizationCostsResult,
                    {k: v for k, v in result.items() if k != "organization_id"},
                )


def test_anthropic_analytics_are_of_the_sdks_types() -> None:
    from anthropic.types.beta.organization import (
        BetaAnalyticsCostReportTimeBucket,
        BetaAnalyticsUsageReportTimeBucket,
    )

    for name, model in {
        "anthropic_usage/analytics.json": BetaAnalyticsUsageReportTimeBucket,
        "anthropic_costs/analytics.json": BetaAnalyticsCostReportTimeBucket,
    }.items():
        for bucket in documents(name)[0]["data"]:
            known_to(model, bucket)


# The API reference, "Get Messages Usage Report" and "Get Cost Report" (platform.claude.com/docs/
# en/api/admin), read in November 2026: every field, and the values that it lists.
TOKEN_TYPES = {
    *("uncached_input_tokens", "output_tokens", "cache_read_input_tokens", None),
    "cache_creation.ephemeral_1h_input_tokens",
    "cache_creation.ephemeral_5m_input_tokens",
}
USAGE_FIELDS = {
    *("account_id", "api_key_id", "cache_creation", "cache_read_input_tokens", "context_window"),
    *("inference_geo", "model", "output_tokens", "server_tool_use", "service_account_id"),
    *("service_tier", "uncached_input_tokens", "workspace_id"),
}
COST_FIELDS = {
    *("amount", "context_window", "cost_type", "currency", "description", "inference_geo"),
    *("model", "service_tier", "token_type", "workspace_id"),
}
TIERS = {"standard", "batch", "priority", "priority_on_demand", "flex", "flex_discount", None}
WINDOWS = {"0-200k", "200k-1M", None}


def test_the_anthropic_usage_report_has_the_reference_s_fields_and_values() -> None:
    [page] = documents("anthropic_usage/messages.json")
    assert set(page) == {"data", "has_more", "next_page"}
    for result in (r for bucket in page["data"] for r in bucket["results"]):
        assert set(result) == USAGE_FIELDS
        assert result["service_tier"] in TIERS
        assert result["context_window"] in WINDOWS
        assert set(result["server_tool_use"]) == {"web_search_requests"}


def test_the_anthropic_cost_report_has_the_reference_s_fields_and_values() -> None:
    [page] = documents("anthropic_costs/cost_report.json")
    for result in (r for bucket in page["data"] for r in bucket["results"]):
        assert set(result) == COST_FIELDS
        assert isinstance(result["amount"], str)
        assert result["token_type"] in TOKEN_TYPES
        assert result["cost_type"] in {
            "tokens",
            "web_search",
            "code_execution",
            "session_usage",
            None,
        }
        assert result["service_tier"] in TIERS


# LiteLLM's table, schema.prisma in BerriAI/litellm: model LiteLLM_SpendLogs; what goes into it:
# litellm/proxy/spend_tracking/spend_tracking_utils.py. LiteLLM itself is no test dependency.
SPEND_LOG = {
    *("request_id", "call_type", "api_key", "spend", "total_tokens", "prompt_tokens"),
    *("completion_tokens", "startTime", "endTime", "completionStartTime", "model", "model_id"),
    *("model_group", "custom_llm_provider", "api_base", "user", "metadata", "cache_hit"),
    *("cache_key", "request_tags", "team_id", "organization_id", "end_user", "session_id"),
    *("requester_ip_address", "messages", "response", "status", "mcp_namespaced_tool_name"),
    *("agent_id", "proxy_server_request"),
}


def test_litellm_rows_have_only_columns_of_its_table() -> None:
    for row in documents("litellm/spend_logs.jsonl"):
        assert set(row) <= SPEND_LOG
        assert row["cache_hit"] in {"True", "False", "None"}
    header = (GOLDEN / "litellm/spend_logs.csv").read_text("utf-8").splitlines()[0]
    assert set(header.split(",")) <= SPEND_LOG


def test_langfuse_observations_are_of_the_sdks_type() -> None:
    from langfuse.api.commons.types.observation_v2 import ObservationV2
    from langfuse.api.core.pydantic_utilities import parse_obj_as

    [answer] = documents("langfuse/api_v3.json")
    for row in answer["data"]:
        parsed = parse_obj_as(ObservationV2, {"projectId": "lf-1", **row})
        assert parsed.usage_details == row.get("usageDetails")


# langfuse.com/docs/api-and-data-platform/features/blob-storage-export-fields, observations_v2/.
BLOB_FIELDS = {
    *("id", "trace_id", "project_id", "environment", "type", "parent_observation_id"),
    *("start_time", "end_time", "name", "metadata", "level", "status_message", "version"),
    *("input", "output", "provided_model_name", "model_parameters", "usage_details"),
    *("cost_details", "total_cost", "completion_start_time", "prompt_name", "prompt_version"),
    *("user_id", "session_id", "trace_name", "tags"),
}


def test_langfuse_blob_rows_have_only_fields_of_the_reference() -> None:
    for row in documents("langfuse/blob_storage.jsonl"):
        assert set(row) <= BLOB_FIELDS


def test_otlp_documents_parse_as_export_requests() -> None:
    from google.protobuf import json_format
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    spans = 0
    traces = documents("otlp/genai_latest.json") + documents("otlp/older_generations.jsonl")[:2]
    for document in traces:
        request = json_format.ParseDict(document, ExportTraceServiceRequest())
        spans += sum(len(s.spans) for r in request.resource_spans for s in r.scope_spans)
    assert spans == 6


def test_otlp_attribute_names_are_those_of_the_semantic_conventions() -> None:
    from opentelemetry.semconv._incubating.attributes import gen_ai_attributes

    known = {v for k, v in vars(gen_ai_attributes).items() if k.startswith("GEN_AI_")}
    [document] = documents("otlp/genai_latest.json")
    said = {
        attribute["key"]
        for resource in document["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
        for attribute in span["attributes"]
    }
    # A cost is not of the conventions; instrumentations add it.
    assert {name for name in said if name.startswith("gen_ai.")} <= known | {"gen_ai.usage.cost"}


def test_provider_bodies_are_of_the_sdks_types() -> None:
    from anthropic.types import Message
    from google.genai.types import GenerateContentResponse
    from openai.types.chat import ChatCompletion

    openai, anthropic, google, _ = documents("provider_bodies/wrapped.jsonl")
    ChatCompletion.model_validate(openai["body"])
    Message.model_validate(anthropic["body"])
    GenerateContentResponse.model_validate(google["body"])
    ChatCompletion.model_validate(documents("provider_bodies/bare.json")[0][0])


def test_batch_results_are_of_the_sdks_types() -> None:
    from anthropic.types.messages import MessageBatchIndividualResponse
    from openai.types.chat import ChatCompletion

    [openai] = documents("provider_bodies/openai_batch.jsonl")
    ChatCompletion.model_validate(openai["response"]["body"])
    [anthropic] = documents("provider_bodies/anthropic_batch.jsonl")
    MessageBatchIndividualResponse.model_validate(anthropic)
