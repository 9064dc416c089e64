"""What passes through a protocol's meter is read as the simulator counted it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.domain.usage import BUCKETS
from farthing.providers.protocols import (
    anthropic_messages,
    gemini_generate,
    openai_chat,
    openai_responses,
)
from tests.unit.providers.simulator.asking import TALKS, question, simulator, with_headers

PROTOCOLS = {
    "chat": openai_chat.PROTOCOL,
    "responses": openai_responses.PROTOCOL,
    "messages": anthropic_messages.PROTOCOL,
    "gemini": gemini_generate.PROTOCOL,
}
LONG = "A prefix that goes on and on. " * 200


def metered(protocol, asked, script):
    model = "sim-small" if protocol == "gemini" else None
    ask = PROTOCOLS[protocol].read(asked.body, model, stream=script.streamed)
    assert ask.model == "sim-small"
    meter = PROTOCOLS[protocol].meter(ask, strip_usage=False)
    passed = b"".join(meter.feed(chunk) for chunk in script.chunks)
    assert passed == b"".join(script.chunks)
    return meter


@pytest.mark.parametrize("protocol", TALKS)
@settings(max_examples=20)
@given(
    stream=st.booleans(),
    effort=st.sampled_from([None, "medium"]),
    cap=st.none() | st.integers(1, 400),
    text=st.sampled_from(["short", LONG]),
)
def test_the_usage_of_a_whole_answer(protocol, stream, effort, cap, text):
    one = simulator()
    asked = question(protocol, text, stream=stream, effort=effort, cap=cap)
    for _ in range(2):
        script = one.answer(asked)
        meter = metered(protocol, asked, script)
        assert meter.complete
        read = meter.reading()
        assert all(getattr(read.usage, b) == getattr(script.usage, b) for b in BUCKETS)
        assert read.response_id == script.response_id
        assert read.model == "sim-small"


@pytest.mark.parametrize("protocol", TALKS)
def test_an_answer_that_broke_off_is_estimated_by_its_text(protocol):
    asked = with_headers(question(protocol, stream=True), hangup_after=9, output_tokens=400)
    meter = metered(protocol, asked, simulator().answer(asked))
    assert not meter.complete
    assert 0 < meter.seen().output_tokens <= 400
