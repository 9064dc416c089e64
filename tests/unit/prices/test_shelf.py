"""A book over what the clerk told prices and bounds as one over the whole price list does."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.domain.usage import BUCKETS, Usage
from farthing.prices import shelf as shelves
from farthing.prices import store
from farthing.prices.book import Book
from farthing.prices.gaps import GAPS
from farthing.prices.shelf import Shelf, Told, told_by
from farthing.prices.sources.genai_prices import SOURCE

ON = datetime(2026, 11, 25, 12, tzinfo=UTC)
MODELS = [(found.provider, found.model) for found in SOURCE.models()]
SPELLINGS = [
    ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("vertex_ai", "publishers/google/models/gemini-2.5-pro"),
    (None, "openai/gpt-4o-2024-08-06"),
    (None, "claude-sonnet-4-5"),
    ("azure", "gpt-4o"),
    ("litellm", "gpt-5"),
    ("openai", "no-such-model"),
    ("nobody", "gpt-4o"),
]
TIERS = ["default", "flex", "priority", "auto", "standard", "a-new-tier"]


def whole() -> Book:
    return Book(SOURCE, (), GAPS)


def learned(provider: str | None, model: str) -> Shelf:
    """A shelf that was told of one name, through JSON as a clerk does it."""
    shelf = Shelf()
    line = msgspec.json.encode(told_by(SOURCE, provider, model))
    shelf.put(msgspec.json.decode(line, type=Told))
    return shelf


counts = st.integers(0, 600_000)
contexts = st.fixed_dictionaries(
    {},
    optional={
        "service_tier": st.sampled_from(TIERS),
        "processing": st.sampled_from(["batch", "sync"]),
        "speed": st.sampled_from(["fast", "slow"]),
        "inference_geo": st.sampled_from(["us", "global"]),
        "deployment": st.sampled_from(["DataZoneStandard", "GlobalStandard"]),
        "route": st.sampled_from(["mistral/eu", "elsewhere"]),
        "search_type": st.sampled_from(["fast", "web", "other"]),
    },
)
usages = st.builds(
    Usage,
    **dict.fromkeys(BUCKETS, counts),
    details=st.dictionaries(
        st.sampled_from(["input_audio_tokens", "web_searches", "audio_seconds"]),
        st.integers(0, 50),
    ),
)


@settings(max_examples=250, deadline=None)
@given(
    st.sampled_from(MODELS) | st.sampled_from(SPELLINGS),
    contexts,
    usages,
    st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1)),
)
def test_a_call_costs_the_same_over_a_shelf(whose, context, usage, when):
    on = when.replace(tzinfo=UTC)
    small, large = Book(learned(*whose), (), GAPS), whole()
    assert small.price(*whose, usage, on, context) == large.price(*whose, usage, on, context)
    tier = context.get("service_tier")
    assert small.bound(*whose, on, {}, tier) == large.bound(*whose, on, {}, tier)
    assert small.choices(*whose) == large.choices(*whose)


def test_every_model_has_few_enough_contexts_to_be_told():
    odd = [(found.provider, found.model) for found in SOURCE.models() if found.choices]
    assert all(told_by(SOURCE, *whose).lists for whose in odd if SOURCE.find(*whose))


def test_what_nobody_told_is_unknown():
    shelf = Shelf()
    assert shelf.find("openai", "gpt-4o") is None
    assert shelf.provider("openai") is None
    assert list(shelf.models()) == []


def test_a_full_shelf_says_what_it_gave_up(monkeypatch):
    monkeypatch.setattr(shelves, "NAMES", 2)
    shelf = Shelf()
    names = ("gpt-4o-2024-08-06", "gpt-4o-2024-11-20", "gpt-4o")
    gone = [shelf.put(told_by(SOURCE, "openai", name)) for name in names]
    assert gone == [None, None, ("openai", "gpt-4o-2024-08-06")]
    assert shelf.find("openai", "gpt-4o-2024-08-06") is None
    assert [found.model for found in shelf.models()] == ["gpt-4o"]


def test_a_file_keeps_what_was_learned_over_a_restart(tmp_path):
    file = tmp_path / store.FILE
    told = tuple(learned("openai", "gpt-5").known())
    store.write(file, told)
    again = Shelf()
    for each in store.read(file):
        again.put(each)
    book = Book(again, (), GAPS)
    usage = Usage(1_000, output_visible=50)
    assert book.price("openai", "gpt-5", usage, ON) == whole().price("openai", "gpt-5", usage, ON)
    assert [path.name for path in tmp_path.iterdir()] == [store.FILE]


@pytest.mark.parametrize("damage", [b"", b"{", b'{"edition": "another", "told": []}', b"\xff\xfe"])
def test_a_file_that_is_damaged_or_of_another_edition_is_as_none(tmp_path, damage):
    file = tmp_path / store.FILE
    file.write_bytes(damage)
    assert store.read(file) == ()
    assert store.read(tmp_path / "absent") == ()


def test_a_file_that_cannot_be_written_is_no_error(tmp_path):
    store.write(tmp_path / "no-such-folder" / store.FILE, ())
