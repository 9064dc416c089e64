"""No call costs more than the bound that was given before it was made."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import product

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farthing.domain.money import Money
from farthing.domain.usage import Usage
from farthing.prices.book import Book, Unpriced
from farthing.prices.bound import Bound, Step, Unbounded, output_within, worst_case
from farthing.prices.ceilings import LONGEST_CALL
from farthing.prices.contracts import Contract
from farthing.prices.gaps import GAPS
from farthing.prices.sources.genai_prices import SOURCE
from farthing.prices.units import units

ON = datetime(2026, 11, 25, 12, tzinfo=UTC)
MILLION = 1_000_000
GAPPY = {"openai", "azure", "anthropic", "deepseek", "aws"}  # corrected by gaps


@cache
def models() -> list[tuple[str, str]]:
    return [(found.provider, found.model) for found in SOURCE.models()]


@cache
def odd_models() -> list[tuple[str, str]]:
    """One of each price list that says more than a price for input, cache and output."""
    odd: dict[object, tuple[str, str]] = {}
    for found in SOURCE.models():
        tariffs = SOURCE.tariffs(found, {})
        priced = {unit for tariff in tariffs for unit in tariff.prices}
        plain = {"input_tokens", "output_tokens", "cache_read_tokens"}
        if found.choices or len(tariffs) > 1 or priced - plain:
            whose = found.provider if found.provider in GAPPY else None
            same = msgspec.json.encode((whose, tariffs), order="sorted", enc_hook=sorted)
            odd.setdefault(same, (found.provider, found.model))
    return list(odd.values())


@cache
def book(contracts: str) -> Book:
    return Book(SOURCE, msgspec.json.decode(contracts, type=tuple[Contract, ...]), GAPS)


@st.composite
def contracts(draw: st.DrawFn, whose: tuple[str, str]) -> str:
    """Entries of which some are for the model, some for the caller, some for these hours."""
    entries = []
    for number in range(1, draw(st.integers(0, 3)) + 1):
        since = draw(st.none() | st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)))
        off = draw(st.none() | st.integers(0, 100))
        entries.append(
            Contract(
                number=number,
                provider=draw(st.sampled_from(["*", whose[0], "nobody"])),
                who=draw(st.sampled_from([{}, {"team": "search"}, {"team": "ads"}])),
                since=since.replace(tzinfo=UTC) if since else None,
                off=Decimal(off) / 100 if off is not None else None,
                prices={} if off is not None else draw(own_prices()),
                max_output=draw(st.none() | st.integers(200, 300)),
                source="agreement",
            )
        )
    return msgspec.json.encode(tuple(entries)).decode()


PRICEABLE = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_1h_tokens",
    "input_audio_tokens",
    "output_reasoning_tokens",
    "web_searches",
    "requests",
)


def own_prices() -> st.SearchStrategy[dict[str, int]]:
    return st.dictionaries(st.sampled_from(PRICEABLE), st.integers(0, 10**15), max_size=3)


CACHE = {
    "input_fresh": set(),
    "cache_read": {("token_type", "cache_read")},
    "cache_write_short": {("token_type", "cache_write"), ("cache_ttl", "5m")},
    "cache_write_long": {("token_type", "cache_write"), ("cache_ttl", "1h")},
}
OUTPUT = {"output_visible": set(), "reasoning": {("token_type", "reasoning")}}
MODALITIES = (None, "text", "audio", "image", "video")


@cache
def kinds(direction: str) -> list[tuple[str, tuple[str, ...]]]:
    """Every kind of token: its bucket, and the details of genai-prices that count it, too."""
    buckets = CACHE if direction == "input" else OUTPUT
    return [
        (bucket, tuple(_details(own | {("direction", direction), ("modality", modality)})))
        for bucket, own in buckets.items()
        for modality in MODALITIES
    ]


def _details(kind: set[tuple[str, str | None]]) -> list[str]:
    counts = {**units()}.items()
    return [
        name
        for name, unit in counts
        if unit.is_token
        and "modality" in dict(unit.dimensions)
        and unit.dimensions <= kind | {("family", "tokens")}
    ]


def corner(bucket: str, details: tuple[str, ...], count: int) -> Usage:
    return Usage(**{bucket: count}, details=dict.fromkeys(details, count))


@st.composite
def usages(draw: st.DrawFn, tokens_in: int, tokens_out: int) -> Usage:
    """Any split of the tokens into kinds, of whose details any may go untold."""
    usage = Usage()
    for direction, total in (("input", tokens_in), ("output", tokens_out)):
        rest = total
        for kind in draw(st.lists(st.sampled_from(kinds(direction)), min_size=1, max_size=4)):
            count = draw(st.just(rest) | st.integers(0, rest))
            rest -= count
            usage += corner(*kind, count)
    untold = draw(st.just(()) | st.sets(st.sampled_from(sorted(units()))))
    told = {unit: count for unit, count in usage.details.items() if unit not in untold}
    return msgspec.structs.replace(usage, details=told)


EXTRAS = ("web_searches", "storage_searches", "audio_seconds", "input_audio_seconds")
EXTRAS += ("input_document_pages", "code_executions", "input_characters")


MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)) | st.sampled_from(
    [datetime(2026, 11, 25, hour, minute) for hour in (0, 3, 5, 9, 23) for minute in (30, 44, 50)]
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_usage_within_the_bounds_costs_more_than_the_worst_case(data):
    draw = data.draw
    whose = draw(st.sampled_from(odd_models()) | st.sampled_from(models()))
    prices = book(draw(contracts(whose)))
    on = draw(MOMENTS).replace(tzinfo=UTC)
    who = draw(st.sampled_from([{}, {"team": "search"}, {"team": "ads"}]))
    tier = draw(st.sampled_from([None, "auto", "flex", "priority", "default", "odd"]))
    bound = prices.bound(*whose, on, who, tier)
    if isinstance(bound, Unpriced):
        assert isinstance(prices.price(*whose, Usage(1), on, _usual(tier), who), Unpriced)
        return

    tokens, choices = (
        draw(st.integers(0, 600) | st.integers(0, 2 * MILLION)),
        draw(st.integers(1, 4)),
    )
    cap, extras = draw(st.integers(0, 100_000)), draw(some_extras(EXTRAS, 500))
    most = worst_case(bound, input_bytes=tokens, choices=choices, output_cap=cap, extras=extras)
    cap = cap if bound.max_output is None else min(cap, bound.max_output)
    usage = draw(usages(tokens, choices * cap))
    used = {unit: draw(st.just(count) | st.integers(0, count)) for unit, count in extras.items()}
    usage = msgspec.structs.replace(usage, details={**usage.details, **used})

    lasts = max(0, int(bound.until - bound.since) - 1), int(LONGEST_CALL.total_seconds()) - 1
    later = sum(draw(st.sampled_from([0, most]) | st.integers(0, most)) for most in lasts)
    context = draw(st.sampled_from(contexts(prices, whose, tier)))
    paid = prices.price(*whose, usage, on + timedelta(seconds=later), context, who)
    if not isinstance(paid, Unpriced):
        assert paid.effective <= most


@pytest.mark.parametrize(
    ("tier", "hour", "minute"), [(None, 0, 50), ("flex", 5, 44), ("default", 3, 50)]
)
def test_a_call_all_of_one_kind_stays_within_the_worst_case_for_every_model(tier, hour, minute):
    """A charge is linear within a row, so it is largest where all tokens are of one kind."""
    on = datetime(2026, 11, 25, hour, minute, 50, tzinfo=UTC)
    prices = book("[]")
    for whose in odd_models():
        bound = prices.bound(*whose, on, service_tier=tier)
        if isinstance(bound, Unpriced):
            continue
        end = datetime.fromtimestamp(bound.until, UTC) - timedelta(seconds=1)
        span = end + LONGEST_CALL - timedelta(seconds=1) - on
        by_hour = any(row.from_minute is not None for row in prices.rates(*whose))
        moments = [on + span * part / 48 for part in (range(49) if by_hour else (0, 47, 48))]
        sizes = sorted(
            {1_000, *(step.upto + extra for step in bound.steps[:-1] for extra in (0, 1))}
        )
        for context, when in product(contexts(prices, whose, tier), moments):
            for size in sizes:
                most = worst_case(bound, input_bytes=size, output_cap=0)
                for kind in kinds("input"):
                    paid = prices.price(*whose, corner(*kind, size), when, context)
                    assert paid.effective <= most, (whose, context, when, kind)
            most = worst_case(bound, input_bytes=0, output_cap=100)
            for kind in kinds("output"):
                paid = prices.price(*whose, corner(*kind, 100), when, context)
                assert paid.effective <= most, (whose, context, when, kind)


@st.composite
def some_extras(draw: st.DrawFn, names: tuple[str, ...], most: int) -> dict[str, int]:
    return {unit: draw(st.integers(0, most)) for unit in names}


def _usual(tier: str | None) -> dict[str, str]:
    return {"service_tier": tier} if tier in ("flex", "default") else {}


def contexts(prices: Book, whose: tuple[str, str], tier: str | None) -> list[dict[str, str]]:
    """What a live answer may say of its price, given the tier that was asked for."""
    choices = {key: {None, *values} - {"batch"} for key, values in prices.choices(*whose).items()}
    choices.pop("speed", None)  # has to be asked for
    tiers = choices.get("service_tier", {None})
    choices["service_tier"] = {
        "flex": {"flex"} if "flex" in tiers else tiers,
        "default": {"default", "standard", None},
        "priority": {"priority", "default"},
    }.get(tier or "", {*tiers, "default", "standard"})
    told = product(*(sorted(values, key=str) for values in choices.values()))
    return [
        {key: value for key, value in zip(choices, values, strict=True) if value} for values in told
    ]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_bound_is_reached_by_some_usage(data):
    """Tight where nothing is open: text in, text out, one size, one tier."""
    whose = data.draw(st.sampled_from(models()))
    prices = book("[]")
    rows = prices.rates(*whose)
    bound = prices.bound(*whose, ON)
    if len(rows) != 1 or prices.choices(*whose) or isinstance(bound, Unpriced):
        return
    row = rows[0]
    if set(row.priced) <= {"input_tokens", "output_tokens"}:
        usage = Usage(1_000, output_visible=500)
        paid = prices.price(*whose, usage, ON)
        assert worst_case(bound, input_bytes=1_000, output_cap=500) - paid.effective <= Money(1)


def bounded(**fields) -> Bound:
    usual = {
        "steps": (Step(None, 1_000_000, 2_000_000, 0),),
        "extras": {},
        "minimums": {},
        "context_window": None,
        "max_output": None,
        "since": 0.0,
        "until": 1.0,
    }
    return Bound(**{**usual, **fields})


def test_a_worst_case_is_bytes_and_caps_at_the_dearest_rates():
    most = worst_case(bounded(), input_bytes=90, overhead=10, choices=3, output_cap=50)
    assert most == Money(100 + 3 * 50 * 2)


def test_a_part_of_a_picodollar_is_rounded_up():
    assert worst_case(
        bounded(steps=(Step(None, 1, 0, 0),)), input_bytes=1, has_output=False
    ) == Money(1)


def test_a_cap_above_what_the_model_can_give_is_what_it_can_give():
    known = bounded(max_output=10)
    assert worst_case(known, input_bytes=0, output_cap=1_000) == Money(20)
    assert worst_case(known, input_bytes=0, output_cap=5) == Money(10)
    windowed = bounded(context_window=10)
    assert worst_case(windowed, input_bytes=0, output_cap=1_000) == Money(2_000)


def test_without_a_cap_output_goes_to_the_maximum_else_the_window_else_anywhere():
    assert worst_case(bounded(max_output=7, context_window=9), input_bytes=0) == Money(14)
    assert worst_case(bounded(context_window=9), input_bytes=0) == Money(18)
    assert worst_case(bounded(), input_bytes=0) == Unbounded("no_output_limit")
    assert worst_case(bounded(), input_bytes=5, has_output=False) == Money(5)


def test_what_is_not_in_the_body_counts_as_whole_context_windows():
    assert worst_case(bounded(context_window=100), input_bytes=7, windows=2, output_cap=0) == Money(
        207
    )
    assert worst_case(bounded(), input_bytes=7, windows=1, output_cap=0) == Unbounded(
        "no_context_window"
    )


def test_an_extra_costs_at_least_its_minimum():
    sound = bounded(extras={"audio_seconds": 5_000_000}, minimums={"audio_seconds": 10})
    assert worst_case(
        sound, input_bytes=0, output_cap=0, extras={"audio_seconds": 2, "web_searches": 9}
    ) == Money(50)
    assert worst_case(sound, input_bytes=0, output_cap=0, extras={"audio_seconds": 0}) == Money(0)


def test_a_call_that_cannot_reach_the_cliff_does_not_pay_for_it():
    cliff = bounded(steps=(Step(200, 1_000_000, 0, 0), Step(None, 2_000_000, 0, 0)))
    assert worst_case(cliff, input_bytes=200, output_cap=0) == Money(200)
    assert worst_case(cliff, input_bytes=201, output_cap=0) == Money(402)


@given(st.integers(0, 10**9), st.integers(0, 10_000), st.integers(1, 4))
def test_output_that_fits_is_all_that_fits(left, tokens, choices):
    bound = bounded()
    fits = output_within(bound, Money(left), input_tokens=tokens, choices=choices)
    if fits >= 0:
        at_most = worst_case(bound, input_bytes=tokens, choices=choices, output_cap=fits)
        over = worst_case(bound, input_bytes=tokens, choices=choices, output_cap=fits + 1)
        assert at_most <= Money(left) < over
    else:
        assert worst_case(bound, input_bytes=tokens, output_cap=0) > Money(left)


def test_a_request_that_leaves_its_tier_open_may_be_billed_at_any_of_them():
    prices = book("[]")

    def output(tier: str | None) -> int:
        return prices.bound("openai", "gpt-5", ON, service_tier=tier).output_atto

    assert output("flex") < output("default") < output(None)
    assert output("auto") == output(None) == output("priority") == output("a-new-tier")


def test_what_the_request_settles_itself_is_not_open():
    prices = book("[]")
    fast = prices.bound("anthropic", "claude-sonnet-4-5", ON)
    here = prices.bound("anthropic", "claude-sonnet-4-5", ON, told={"inference_geo": "global"})
    assert here.input_atto * 11 == fast.input_atto * 10


def test_speed_has_to_be_asked_for_and_then_is_paid_for():
    prices = book("[]")
    fast = next(f for f in SOURCE.models() if "speed" in f.choices and f.provider == "anthropic")

    def output(**told: str) -> int:
        return prices.bound("anthropic", fast.model, ON, told=told).output_atto

    assert output(speed="fast") > output(speed="standard") == output()


def test_a_bound_holds_until_the_price_changes_with_the_hour():
    prices = book("[]")
    quiet = datetime(2026, 11, 25, 5, 10, tzinfo=UTC)  # peak begins at 6:00
    bound = prices.bound("deepseek", "deepseek-v4-pro", quiet)
    assert datetime.fromtimestamp(bound.until, UTC) == datetime(2026, 11, 25, 5, 45, tzinfo=UTC)
    assert prices.bound("deepseek", "deepseek-v4-pro", quiet + timedelta(minutes=1)) is bound
    soon = prices.bound("deepseek", "deepseek-v4-pro", quiet + timedelta(minutes=36))
    assert soon.input_atto == 2 * bound.input_atto


def test_the_users_own_limits_come_first_and_price_nothing(tmp_path):
    (tmp_path / "farthing.toml").write_text(
        """
        [[prices]]
        model = "gpt-4o*"
        max_output_tokens = 4096
        [[prices]]
        model = "gpt-4o*"
        discount = "50%"
        """
    )
    prices = Book.load(tmp_path)
    bound = prices.bound("openai", "gpt-4o", ON, service_tier="default")
    assert (bound.max_output, bound.context_window) == (4096, 128_000)
    paid = prices.price("openai", "gpt-4o", Usage(MILLION), ON)
    assert paid.effective == Money.of("1.25")
    assert [contract.number for contract in prices.contracts_for("openai", "gpt-4o")] == [2]
