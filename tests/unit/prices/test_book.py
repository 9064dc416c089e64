"""A call costs what its day, context and size say; what nobody prices is never 0."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.domain.money import Money
from farthing.domain.usage import BUCKETS, Usage
from farthing.prices.book import Book, Priced, Unpriced
from farthing.prices.gaps import GAPS
from farthing.prices.names import provider_of
from farthing.prices.sources.genai_prices import SOURCE

ON = date(2026, 8, 21)
BOOK = Book(SOURCE, gaps=GAPS)
MILLION = Usage(input_fresh=1_000_000)


@pytest.mark.parametrize(
    ("provider", "model", "reason"),
    [
        ("openai", "zorg-9", "unknown_model"),
        (None, "zorg-9", "unknown_model"),
        ("acme", "gpt-4o", "unknown_provider"),
        ("openai", None, "no_model"),
        ("openai", "", "no_model"),
        ("cerebras", "qwen-3-coder-480b", "no_price"),
    ],
)
def test_what_nobody_prices_is_unpriced_with_a_reason(provider, model, reason):
    assert BOOK.price(provider, model, MILLION, ON) == Unpriced(reason)
    assert BOOK.rates(provider, model) == ()
    assert BOOK.why_unpriced(provider, model) == reason


def test_a_model_that_is_named_free_is_free():
    paid = BOOK.price("openrouter", "deepseek/deepseek-r1:free", MILLION, ON)
    assert paid.list == Money.ZERO


@pytest.mark.parametrize(
    ("provider", "model", "owner", "found"),
    [
        ("openai", "gpt-4o", "openai", "gpt-4o"),
        ("openai", "openai/gpt-4o", "openai", "gpt-4o"),
        (None, "openai/gpt-4o", "openai", "gpt-4o"),
        (None, "gpt-4o", "openai", "gpt-4o"),
        ("litellm", "azure/gpt-4o", "openai", "gpt-4o"),
        ("az.ai.openai", "gpt-4o", "openai", "gpt-4o"),
        ("gcp.gemini", "models/gemini-2.5-pro", "google", "gemini-2.5-pro"),
        ("vertex_ai", "publishers/google/models/gemini-2.5-pro", "google", "gemini-2.5-pro"),
        (None, "vertex_ai/claude-sonnet-4-5@20250929", "google", "claude-sonnet-4-5"),
        ("OpenRouter", "openai/gpt-4o", "openrouter", "openai/gpt-4o"),
        ("mistral_ai", "mistral-large-latest", "mistral", "mistral-large"),
    ],
)
def test_a_model_is_found_under_the_names_that_logs_use(provider, model, owner, found):
    known = BOOK.find(provider, model)
    assert known is not None
    assert (known.owner, known.model) == (owner, found)


BEDROCK = "regional.anthropic.claude-sonnet-4-5-20250929-v1:0"


@pytest.mark.parametrize(
    "model",
    [
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "bedrock/us-east-1/anthropic.claude-sonnet-4-5-20250929-v1:0",
        "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ],
)
@pytest.mark.parametrize("provider", [None, "aws.bedrock"])
def test_a_bedrock_model_is_found_by_profile_prefix_and_arn(provider, model):
    assert BOOK.find(provider, model).model == BEDROCK


@pytest.mark.parametrize(
    ("spelling", "provider"),
    [
        ("openai", "openai"),
        ("az.ai.openai", "azure"),
        ("azure", "azure"),
        ("aws.bedrock", "aws"),
        ("vertex_ai", "google"),
        ("gcp.gemini", "google"),
        ("gcp.vertex_ai", "google"),
        ("gemini", "google"),
        ("mistral_ai", "mistral"),
        ("x_ai", "x-ai"),
        ("xai", "x-ai"),
        ("together_ai", "together"),
        ("fireworks_ai", "fireworks"),
        ("google-vertex", "google"),
    ],
)
def test_a_provider_has_one_name_however_it_is_spelled(spelling, provider):
    assert provider_of(spelling) == provider
    assert BOOK.provider(spelling) == provider


def test_a_context_that_nobody_prices_is_flagged():
    context = {"service_tier": "priority"}
    assert BOOK.price("mistral", "mistral-large", MILLION, ON, context).flags == (
        "context_not_priced",
    )
    for usual in ({"service_tier": "default"}, {"service_tier": "standard"}, {"who": "me"}):
        assert BOOK.price("mistral", "mistral-large", MILLION, ON, usual).flags == ()


def test_a_tier_before_its_rate_was_known_is_charged_as_usual_and_flagged():
    """genai-prices knows OpenAI's priority rates since 2026-10-12."""
    context = {"service_tier": "priority"}
    before = BOOK.price("openai", "gpt-4o", MILLION, date(2026, 10, 11), context)
    since = BOOK.price("openai", "gpt-4o", MILLION, date(2026, 10, 12), context)
    assert (before.list, before.flags) == (Money.of("2.5"), ("context_not_priced",))
    assert (since.list, since.flags) == (Money.of("4.25"), ())


def test_a_model_used_before_its_release_is_flagged():
    early = BOOK.price("openai", "gpt-4o-2024-11-20", MILLION, date(2024, 11, 19))
    later = BOOK.price("openai", "gpt-4o-2024-11-20", MILLION, date(2024, 11, 20))
    assert early.flags == ("before_first_price",)
    assert later.flags == ()
    assert early.list == later.list


def test_a_cliff_charges_every_token_at_the_higher_rate():
    at = BOOK.price("google", "gemini-2.5-pro", Usage(200_000), ON)
    above = BOOK.price("google", "gemini-2.5-pro", Usage(200_001), ON)
    assert at.list == Money.of("0.25")
    assert above.list == Money.of("0.5000025")


def test_a_moment_in_another_zone_is_the_same_moment():
    usage = Usage(input_fresh=1_000_000)
    utc = datetime(2026, 10, 2, 2, tzinfo=UTC)
    there = utc.astimezone(timezone(timedelta(hours=9)))
    naive = utc.replace(tzinfo=None)
    paid = [BOOK.price("deepseek", "deepseek-flash", usage, on) for on in (utc, there, naive)]
    assert paid[0] == paid[1] == paid[2]
    assert paid[0].list == Money.of("0.3")


def test_short_audio_at_groq_is_billed_as_ten_seconds():
    def cost(seconds: int) -> Money:
        details = {"audio_seconds": seconds, "input_audio_seconds": seconds}
        return BOOK.price("groq", "whisper-large-v3", Usage(details=details), ON).list

    assert cost(1) == cost(10) < cost(11)
    assert cost(0) == Money.ZERO


@given(st.sampled_from(BUCKETS), st.integers(1, 10**9))
def test_a_bucket_that_overlaps_is_charged_as_nothing_not_less(bucket, below):
    usage = Usage(input_fresh=1000, output_visible=1000)
    counts = {name: getattr(usage, name) for name in BUCKETS}
    suspect = Usage(**{**counts, bucket: -below})
    without = Usage(**{**counts, bucket: 0})
    on = datetime(2026, 8, 21, tzinfo=UTC)
    paid = [BOOK.price("openai", "gpt-4o", each, on) for each in (suspect, without)]
    assert paid[0] == paid[1]


@given(st.sampled_from([(found.provider, found.model) for found in SOURCE.models()]))
def test_of_the_rows_of_a_model_no_two_apply_at_once(model):
    """So that a join finds each call one price."""
    rows = BOOK.rates(*model)
    for place, row in enumerate(rows):
        assert not any(applies_together(row, other) for other in rows[place + 1 :])
    assert isinstance(BOOK.price(*model, MILLION, ON), Priced) == bool(rows)


@pytest.mark.parametrize("model", ["deepseek-v4-flash", "deepseek-chat", "deepseek-flash"])
def test_every_hour_of_every_day_has_one_price(model):
    rows = BOOK.rates("deepseek", model)
    start = datetime(2025, 1, 1, tzinfo=UTC)
    for hours in range(0, 24 * 700, 5):
        when = start + timedelta(hours=hours, minutes=hours % 60)
        fitting = [row for row in rows if holds(row, when)]
        assert len(fitting) == 1
        paid = BOOK.price("deepseek", model, MILLION, when)
        assert paid.price_ids == (fitting[0].price_id,)


def holds(row, when: datetime) -> bool:
    minute = when.hour * 60 + when.minute
    return (
        (row.since is None or when >= row.since)
        and (row.until is None or when < row.until)
        and (row.from_minute is None or row.from_minute <= minute < row.to_minute)
        and (row.weekdays is None or when.isoweekday() in row.weekdays)
    )


def applies_together(one, other) -> bool:
    def meet(low, high, other_low, other_high) -> bool:
        begins = [edge for edge in (low, other_low) if edge is not None]
        ends = [edge for edge in (high, other_high) if edge is not None]
        return not begins or not ends or max(begins) < min(ends)

    weekdays = set(one.weekdays or range(1, 8)) & set(other.weekdays or range(1, 8))
    return (
        meet(one.since, one.until, other.since, other.until)
        and meet(one.from_minute, one.to_minute, other.from_minute, other.to_minute)
        and meet(one.above, one.upto, other.above, other.upto)
        and bool(weekdays)
    )


@pytest.mark.parametrize(
    ("model", "usage", "left_out"),
    [
        ("claude-sonnet-4-5", Usage(input_fresh=10, details={"web_searches": 3}), False),
        (
            "claude-3-haiku-20240307",
            Usage(input_fresh=10, details={"web_searches": 0}),
            False,
        ),
        (
            "claude-3-haiku-20240307",
            Usage(input_fresh=10, details={"web_searches": 3}),
            True,
        ),
        ("gpt-4o", Usage(input_fresh=10, details={"images": 1}), True),
        ("gpt-4o", Usage(input_fresh=10, details={"input_audio_tokens": 5}), False),
        ("text-embedding-3-small", Usage(input_fresh=10), False),
        ("text-embedding-3-small", Usage(input_fresh=10, output_visible=1), True),
    ],
)
def test_what_was_counted_and_has_no_price_is_flagged_not_free(model, usage, left_out):
    seller = "anthropic" if model.startswith("claude") else "openai"
    priced = BOOK.price(seller, model, usage, date(2026, 10, 1))
    assert ("unpriced_units" in priced.flags) is left_out
