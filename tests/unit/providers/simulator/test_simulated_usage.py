"""What the simulator says it counted adds up, keeps the limits, and is the same every time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.domain.usage import BUCKETS
from farthing.providers.simulator.words import LABEL
from tests.unit.providers.simulator.asking import (
    CHAT,
    MESSAGES,
    TALKS,
    body_of,
    post,
    question,
    reading,
    simulator,
    text_of,
    with_headers,
)

EFFORTS = st.sampled_from([None, "low", "medium", "high"])
TEXTS = st.text(min_size=1, max_size=300) | st.builds(
    lambda word, n: word * n, st.text("abé ", min_size=1, max_size=9), st.integers(1, 2000)
)
protocols = pytest.mark.parametrize("protocol", TALKS)
either = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@protocols
@given(
    text=TEXTS,
    stream=st.booleans(),
    effort=EFFORTS,
    cap=st.none() | st.integers(1, 3000),
    wanted=st.none() | st.integers(0, 5000),
    seed=st.integers(0, 9),
)
def test_buckets_add_up_and_keep_the_limits(protocol, text, stream, effort, cap, wanted, seed):
    asked = question(protocol, text, stream=stream, effort=effort, cap=cap)
    asked = asked if wanted is None else with_headers(asked, output_tokens=wanted)
    one = simulator(seed=seed)
    for _ in range(2):  # the second may read from the cache what the first wrote
        script = one.answer(asked)
        usage = reading(protocol, script).usage
        assert all(getattr(usage, bucket) >= 0 for bucket in BUCKETS)
        assert all(getattr(usage, b) == getattr(script.usage, b) for b in BUCKETS)
        assert 0 < usage.input_tokens <= len(asked.body)
        assert usage.output_tokens <= (cap or 16_384)
        assert usage.output_visible == -(-len(text_of(protocol, script)) // 4)
        if wanted is not None:
            assert usage.output_tokens == min(wanted, cap or 16_384)


@protocols
@given(text=TEXTS, effort=EFFORTS, cap=st.none() | st.integers(1, 300))
def test_whole_and_streamed_answers_say_the_same(protocol, text, effort, cap):
    whole, stream = (
        simulator().answer(question(protocol, text, stream=stream, effort=effort, cap=cap))
        for stream in (False, True)
    )
    assert text_of(protocol, whole) == text_of(protocol, stream)
    assert reading(protocol, whole).usage == reading(protocol, stream).usage


@protocols
@either
def test_equal_requests_get_equal_answers_under_different_ids(protocol, stream):
    one = simulator()
    first, second = (one.answer(question(protocol, stream=stream)) for _ in range(2))
    assert text_of(protocol, first) == text_of(protocol, second)
    assert first.usage == second.usage
    assert first.response_id != second.response_id
    ids = [reading(protocol, script).response_id for script in (first, second)]
    if not (stream and protocol == "chat"):
        assert ids == [first.response_id, second.response_id]


@protocols
def test_the_seed_and_the_question_decide_the_answer(protocol):
    said = {
        text_of(protocol, simulator(seed=seed).answer(question(protocol, text)))
        for seed in range(3)
        for text in ("one", "two", "three")
    }
    assert len(said) > 5


def test_the_seed_of_a_request_decides_too():
    ask = {"model": "sim-small", "messages": [{"role": "user", "content": "?"}]}
    said = {
        text_of("chat", simulator().answer(post(CHAT, ask | {"seed": seed}))) for seed in range(9)
    }
    assert len(said) > 3


@protocols
@either
def test_an_answer_is_labelled_as_simulated(protocol, stream):
    script = simulator().answer(question(protocol, stream=stream))
    assert (b"x-simulated", b"true") in script.headers
    assert "sim" in script.response_id
    assert text_of(protocol, script).startswith(LABEL)


@protocols
def test_effort_is_paid_for_as_reasoning(protocol):
    plain, low, high = (
        simulator().answer(question(protocol, effort=effort)).usage
        for effort in (None, "low", "high")
    )
    assert plain.reasoning == 0
    assert 0 < low.reasoning < high.reasoning


def test_choices_are_counted_together():
    ask = {"model": "sim-small", "messages": [{"role": "user", "content": "?"}], "n": 3}
    script = simulator().answer(with_headers(post(CHAT, ask), output_tokens=10))
    assert script.usage.output_tokens == 30
    texts = [choice["message"]["content"] for choice in body_of(script)["choices"]]
    assert len(set(texts)) == 3


def test_a_thinking_budget_is_kept():
    ask = {
        "model": "sim-large",
        "max_tokens": 9000,
        "messages": [{"role": "user", "content": "?"}],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    }
    script = simulator().answer(with_headers(post(MESSAGES, ask), output_tokens=6000))
    assert script.usage.reasoning == 1024
    assert script.usage.output_tokens == 6000
