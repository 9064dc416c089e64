"""Each way of telling the month has the vendor's own shape and adds up to the same dollars."""

import csv
import gzip
import hashlib
import io
import json
import re
from collections import Counter
from decimal import Decimal

import msgspec
import pytest
from anthropic.types import Message
from anthropic.types.beta.organization.beta_analytics_context_window import (
    BetaAnalyticsContextWindow,
)
from anthropic.types.beta.organization.beta_analytics_token_type import BetaAnalyticsTokenType
from google.genai.types import GenerateContentResponse
from google.protobuf.json_format import ParseDict
from hypothesis import given
from hypothesis import settings as settings_of
from hypothesis import strategies as st
from openai.types.admin.organization.usage_completions_response import UsageCompletionsResponse
from openai.types.admin.organization.usage_costs_response import UsageCostsResponse
from openai.types.chat import ChatCompletion
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from pydantic import BaseModel, ConfigDict, TypeAdapter

from farthing.config import Settings
from farthing.demo import (
    as_anthropic_pages,
    as_focus,
    as_gateway,
    as_log,
    as_openai_pages,
    as_spans,
    settings,
)
from farthing.demo.bill import Rates, call_price, items, unseen
from farthing.demo.build import files
from farthing.demo.company import ACCOUNTS, MODELS, PROJECTS
from farthing.demo.world import Plan, build
from farthing.domain.money import Money
from farthing.domain.usage import BUCKETS

PROVIDERS = ("openai", "anthropic", "google")


def decode(content):
    return json.loads(content, parse_float=Decimal)


@pytest.fixture(scope="module")
def closed():
    """The month without the job that nobody logged."""
    return build(Plan(calls=4_000, unseen=False))


@pytest.fixture(scope="module")
def spent(closed, book):
    """What the calls cost, by provider."""
    totals = dict.fromkeys(PROVIDERS, Money.ZERO)
    for call in as_gateway.calls(closed, book):
        totals[call.provider] += call.effective_usd
    return totals


def test_the_same_plan_writes_the_same_bytes(world, book, plan):
    def digests(world):
        return [(name, hashlib.sha256(packed).hexdigest()) for name, packed in files(world, book)]

    assert digests(world) == digests(build(plan))


def test_file_names_are_relative_and_unique(world, book):
    names = [name for name, _ in files(world, book)]
    assert len(set(names)) == len(names)
    assert not [name for name in names if name.startswith("/") or ".." in name]


# Response bodies


SHAPES = {
    "openai": (ChatCompletion, "model"),
    "anthropic": (Message, "model"),
    "google": (GenerateContentResponse, "model_version"),
}


def strictly(shape, content):
    """Validate against a vendor's type; a field that it does not know is a failure."""
    made = TypeAdapter(shape).validate_json(content, strict=False)
    assert unknown(made) == []
    return made


def unknown(made):
    if isinstance(made, list):
        return [name for item in made for name in unknown(item)]
    if not isinstance(made, BaseModel):
        return []
    inside = [name for field in type(made).model_fields for name in unknown(getattr(made, field))]
    return [*(made.model_extra or {}), *inside]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_bodies_are_what_the_vendors_types_say(world, provider):
    shape, model = SHAPES[provider]
    answered = [a for a in world.answered if a.model.provider == provider]
    for attempt in answered[:50]:
        made = strictly(shape, msgspec.json.encode(as_log.body(attempt)))
        assert getattr(made, model) == attempt.model.served


def test_a_body_counts_tokens_the_way_its_provider_does(world):
    for attempt in world.answered:
        usage, body = attempt.usage, as_log.body(attempt)
        if attempt.model.provider == "openai":
            assert body["usage"]["prompt_tokens"] == usage.input_tokens
        elif attempt.model.provider == "anthropic":
            assert body["usage"]["input_tokens"] == usage.input_fresh
            assert body["usage"]["output_tokens"] == usage.output_tokens
        else:
            said = body["usageMetadata"]
            assert said["candidatesTokenCount"] == usage.output_visible
            assert said.get("thoughtsTokenCount", 0) == usage.reasoning


def test_the_log_has_each_answer_and_duplicates_twice(world):
    contents = dict(as_log.files(world))
    rows = list(csv.DictReader(io.StringIO(contents["logs/calls.csv.gz"].decode())))
    bodies = [json.loads(line) for line in contents["logs/bodies.jsonl.gz"].splitlines()]
    expected = Counter({a.response_id: a.shipped for a in world.answered})
    assert Counter(row["response_id"] for row in rows) == expected
    assert Counter(b["body"].get("id") or b["body"]["responseId"] for b in bodies) == expected


# Spans


def lines(world):
    (content,) = dict(as_spans.files(world)).values()
    return content.decode().splitlines()


def spans(world):
    for line in lines(world):
        for resource in json.loads(line)["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                yield from scope["spans"]


def said(span):
    return {pair["key"]: value for pair in span["attributes"] for value in pair["value"].values()}


def test_spans_are_otlp(world):
    for line in lines(world):
        # OTLP's JSON has ids in hex, where protobuf's own has base64: both take these letters.
        ParseDict(json.loads(line), ExportTraceServiceRequest())


def test_spans_speak_the_conventions_of_today(world):
    known = {
        name
        for constant, name in vars(gen_ai_attributes).items()
        if constant.startswith("GEN_AI_") and isinstance(name, str)
    }
    used = {key for span in spans(world) for key in said(span)}
    assert {key for key in used if key.startswith("gen_ai.")} <= known
    assert "gen_ai.response.id" in used
    assert "gen_ai.system" not in used


def test_every_attempt_is_a_span_and_duplicates_come_again(world):
    counted = Counter(span["spanId"] for span in spans(world))
    assert counted == Counter({a.span_id: a.shipped for a in world.attempts})


def test_a_span_comes_again_on_its_day_but_never_in_the_same_export(world):
    days = {a.span_id: str(a.day) for a in world.attempts}
    exports = [re.findall(r'"spanId":"(\w+)"', line) for line in lines(world)]
    assert all(len(set(spans)) == len(spans) for spans in exports)
    order = [days[span] for spans in exports for span in spans]
    assert order == sorted(order)


def test_a_span_counts_cached_tokens_as_input(world):
    by_id = {a.span_id: a.usage for a in world.answered}
    for span in spans(world):
        if usage := by_id.get(span["spanId"]):
            assert int(said(span)["gen_ai.usage.input_tokens"]) == usage.input_tokens
            assert int(said(span)["gen_ai.usage.output_tokens"]) == usage.output_tokens


# Usage and cost pages


def openai_page(world, book, kind):
    return dict(as_openai_pages.files(world, book))[f"openai/{kind}.json"]


def anthropic_page(world, book, kind):
    return dict(as_anthropic_pages.files(world, book))[f"anthropic/{kind}.json"]


def results(page):
    return [result for bucket in decode(page)["data"] for result in bucket["results"]]


@pytest.mark.parametrize(
    ("kind", "shape"),
    [("usage-completions", UsageCompletionsResponse), ("costs", UsageCostsResponse)],
)
def test_openai_pages_are_what_its_types_say(world, book, kind, shape):
    page = strictly(shape, openai_page(world, book, kind))
    assert len(page.data) == len(world.days)
    assert all(bucket.end_time - bucket.start_time == 86_400 for bucket in page.data)


# Anthropic's SDK has no types for the Admin API's two reports; these are its reference's fields
# (platform.claude.com, "Get Messages Usage Report" and "Get Cost Report").


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=False)


class CacheCreation(Strict):
    ephemeral_1h_input_tokens: int
    ephemeral_5m_input_tokens: int


class ServerToolUse(Strict):
    web_search_requests: int


class UsageResult(Strict):
    uncached_input_tokens: int
    cache_creation: CacheCreation
    cache_read_input_tokens: int
    output_tokens: int
    server_tool_use: ServerToolUse
    api_key_id: str | None
    workspace_id: str | None
    model: str | None
    service_tier: str | None
    context_window: BetaAnalyticsContextWindow | None


class CostResult(Strict):
    amount: str
    currency: str
    cost_type: str | None
    description: str | None
    model: str | None
    token_type: BetaAnalyticsTokenType | None
    service_tier: str | None
    context_window: BetaAnalyticsContextWindow | None
    workspace_id: str | None


class UsageBucket(Strict):
    starting_at: str
    ending_at: str
    results: list[UsageResult]


class CostBucket(Strict):
    starting_at: str
    ending_at: str
    results: list[CostResult]


@pytest.mark.parametrize(
    ("kind", "bucket"), [("usage-report", UsageBucket), ("cost-report", CostBucket)]
)
def test_anthropic_pages_are_what_its_reference_says(world, book, kind, bucket):
    page = decode(anthropic_page(world, book, kind))
    assert set(page) == {"data", "has_more", "next_page"}
    buckets = TypeAdapter(list[bucket]).validate_python(page["data"])
    assert len(buckets) == len(world.days)


def test_openai_bills_what_the_calls_cost(closed, book, spent):
    assert openai_total(closed, book) == spent["openai"]


def test_the_bill_is_higher_by_exactly_the_bypassing_job(world, closed, book):
    more = openai_total(world, book) - openai_total(closed, book)
    assert more == unseen(world, book)


def openai_total(world, book):
    return Money.sum(
        Money.of(result["amount"]["value"]) for result in results(openai_page(world, book, "costs"))
    )


def test_anthropic_bills_in_cents_what_the_calls_cost(closed, book, spent):
    cents = sum(
        Decimal(result["amount"]) for result in results(anthropic_page(closed, book, "cost-report"))
    )
    assert Money.of(cents / 100) == spent["anthropic"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_providers_tokens_at_its_rates_are_its_calls_costs(closed, book, spent, provider):
    rates = Rates(book)
    total = Money.sum(rates.cost(item, *BUCKETS) for item in items(closed, provider))
    assert total == spent[provider]


@settings_of(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6), month=st.sampled_from(["2025-11", "2026-02", "2026-10"]))
def test_bills_add_up_to_the_calls_whatever_the_seed_and_the_month(book, seed, month):
    world = build(Plan(seed=seed, calls=1_000, month=month, unseen=False))
    rates = Rates(book)
    for provider in PROVIDERS:
        calls = (a for a in world.answered if a.model.provider == provider)
        costs = Money.sum(call_price(book, call).list for call in calls)
        assert Money.sum(rates.cost(i, *BUCKETS) for i in items(world, provider)) == costs


def test_pages_count_the_answered_requests(closed, book):
    counted = sum(
        result["num_model_requests"]
        for result in results(openai_page(closed, book, "usage-completions"))
    )
    assert counted == sum(a.model.provider == "openai" for a in closed.answered)


# FOCUS


def focus_rows(world, book, provider):
    contents = dict(as_focus.files(world, book))
    return list(csv.DictReader(io.StringIO(contents[f"{provider}/focus.csv"].decode())))


def test_google_bills_what_the_calls_cost(closed, book, spent):
    rows = focus_rows(closed, book, "google")
    assert Money.sum(Money.of(row["EffectiveCost"]) for row in rows) == spent["google"]


def test_the_clouds_bill_is_the_sum_of_its_lines(world, book):
    rows = focus_rows(world, book, "aws")
    billed = Money.sum(Money.of(row["BilledCost"]) for row in rows)
    assert billed == Money.sum(line.cost for line in world.cloud)


@pytest.mark.parametrize("provider", ["aws", "google"])
def test_focus_files_have_the_columns_of_focus_1_2(world, book, provider):
    from focus_data_toolkit.schema.registry import mandatory_columns, version_columns

    columns = set(focus_rows(world, book, provider)[0])
    own = {column for column in columns if column.startswith("x_")}
    assert columns - own <= version_columns("Cost and Usage", "1.2")
    assert mandatory_columns("Cost and Usage", "1.2") <= columns


@pytest.mark.parametrize("provider", ["aws", "google"])
def test_a_focus_row_costs_its_quantity_at_its_price(world, book, provider):
    for row in focus_rows(world, book, provider):
        exact = Decimal(row["PricingQuantity"]) * Decimal(row["ListUnitPrice"])
        assert abs(Decimal(row["ListCost"]) - exact) <= Decimal("5E-13")
        assert row["BillingPeriodStart"] <= row["ChargePeriodStart"] < row["ChargePeriodEnd"]
        assert row["ChargePeriodEnd"] <= row["BillingPeriodEnd"]


# Gateway rows and settings


def test_a_gateway_row_is_a_priced_attempt(world, book):
    calls = list(as_gateway.calls(world, book))
    assert len(calls) == len(world.attempts)
    assert all(call.effective_usd is not None for call in calls)
    assert all(call.price_ids for call in calls if call.status == "ok")
    assert all(not call.effective_usd for call in calls if call.status == "error")


def test_the_demos_settings_are_valid_and_name_every_account_and_owner(tmp_path):
    file = tmp_path / "farthing.toml"
    file.write_text(settings.text())
    read = Settings.read(file)
    assert {name: upstream.account for name, upstream in read.providers.items()} == ACCOUNTS
    assert {rule.match: rule.team for rule in read.allocate} == {
        f"project={project}": team for project, team in PROJECTS.items()
    }
    assert {model.provider for model in MODELS} < set(ACCOUNTS)


def test_compressed_files_say_so_in_their_name(world, book):
    for name, packed in files(world, book):
        assert name.endswith(".gz") == packed.startswith(b"\x1f\x8b")
        assert not name.endswith(".gz") or gzip.decompress(packed)
