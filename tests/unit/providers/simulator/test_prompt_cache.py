"""A long prefix that was sent lately is read from the prompt cache, as the providers count it."""

import pytest

from tests.unit.providers.simulator.asking import (
    MESSAGES,
    TALKS,
    body_of,
    post,
    question,
    reading,
    simulator,
)

LONG = "A prefix that goes on and on. " * 200  # 1,500 tokens
AUTOMATIC = ("chat", "responses", "gemini")


@pytest.mark.parametrize("protocol", AUTOMATIC)
def test_a_repeated_prefix_is_read_until_five_minutes_have_passed(protocol):
    now = [0.0]
    one = simulator(now)
    first = one.answer(question(protocol, LONG + "First?"))
    now[0] += 299
    second = one.answer(question(protocol, LONG + "Second?"))
    now[0] += 301
    third = one.answer(question(protocol, LONG + "Third?"))
    assert reading(protocol, first).usage.cache_read == 0
    assert 1024 <= reading(protocol, second).usage.cache_read < 1500
    assert reading(protocol, third).usage.cache_read == 0


@pytest.mark.parametrize("protocol", AUTOMATIC)
def test_reads_are_in_steps_of_128_and_never_the_whole(protocol):
    one = simulator()
    scripts = [one.answer(question(protocol, LONG)) for _ in range(2)]
    usage = reading(protocol, scripts[1]).usage
    assert usage.cache_read % 128 == 0
    assert usage.input_fresh > 0


@pytest.mark.parametrize("protocol", ["chat", "responses"])
def test_openai_writes_what_it_does_not_read(protocol):
    one = simulator()
    first, second = (reading(protocol, one.answer(question(protocol, LONG))).usage for _ in "12")
    assert first.cache_write_short >= 1024
    assert (second.cache_read, second.cache_write_short) == (first.cache_write_short, 0)


@pytest.mark.parametrize("protocol", TALKS)
def test_a_short_prompt_is_never_cached(protocol):
    one = simulator()
    for _ in range(2):
        usage = reading(protocol, one.answer(question(protocol, "short"))).usage
        assert usage.input_tokens == usage.input_fresh


def test_another_key_or_model_has_another_cache():
    one = simulator()
    ask = question("chat", LONG)
    one.answer(ask)
    ask.headers.append((b"authorization", b"Bearer other"))
    assert one.answer(ask).usage.cache_read == 0
    assert one.answer(question("chat", LONG, model="sim-large")).usage.cache_read == 0


def marked(*ttls: str | None, end: str = "?") -> dict:
    """A system prompt in parts, each with a mark or without."""
    parts = [
        {"type": "text", "text": f"{n} {LONG}"}
        | ({"cache_control": {"type": "ephemeral", "ttl": ttl}} if ttl else {})
        for n, ttl in enumerate(ttls)
    ]
    return {
        "model": "sim-small",
        "max_tokens": 50,
        "system": parts,
        "messages": [{"role": "user", "content": end}],
    }


def test_anthropic_caches_nothing_without_a_mark():
    one = simulator()
    for _ in range(2):
        usage = one.answer(post(MESSAGES, marked(None, None))).usage
        assert usage.input_tokens == usage.input_fresh > 3000


def test_anthropic_writes_up_to_the_marks_and_reads_it_the_next_time():
    one = simulator()
    first = one.answer(post(MESSAGES, marked("1h", "5m", None)))
    second = one.answer(post(MESSAGES, marked("1h", "5m", None, end="Another?")))
    wrote, read = first.usage, second.usage
    assert wrote.cache_read == 0
    assert abs(wrote.cache_write_long - wrote.cache_write_short) < 10
    assert read.cache_read == wrote.cache_write_long + wrote.cache_write_short
    assert read.cache_write_long == read.cache_write_short == 0
    told = body_of(first)["usage"]
    assert sum(told["cache_creation"].values()) == told["cache_creation_input_tokens"]


def test_a_mark_that_moved_on_reads_what_an_earlier_one_wrote():
    one = simulator()
    wrote = one.answer(post(MESSAGES, marked("5m", None))).usage
    moved = one.answer(post(MESSAGES, marked(None, "5m"))).usage
    assert moved.cache_read == wrote.cache_write_short > 1024
    assert moved.cache_write_short > 1024


def test_an_hour_outlives_five_minutes():
    now = [0.0]
    one = simulator(now)
    wrote = one.answer(post(MESSAGES, marked("1h", "5m"))).usage
    now[0] += 1000
    later = one.answer(post(MESSAGES, marked("1h", "5m"))).usage
    assert later.cache_read == wrote.cache_write_long
    assert later.cache_write_short == wrote.cache_write_short


def test_a_mark_for_the_whole_request_is_understood():
    one = simulator()
    ask = marked(None) | {"cache_control": {"type": "ephemeral"}}
    wrote, read = (one.answer(post(MESSAGES, ask)).usage for _ in "12")
    assert wrote.cache_write_short == read.cache_read > 1024
