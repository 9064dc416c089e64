"""Headers and settings make the simulator slow, short, wrong or silent, on purpose."""

import pytest

from tests.unit.providers.simulator.asking import (
    TALKS,
    body_of,
    events_of,
    question,
    reading,
    simulator,
    with_headers,
)

protocols = pytest.mark.parametrize("protocol", TALKS)
CUT = {
    "chat": lambda body: body["choices"][0]["finish_reason"] == "length",
    "responses": lambda body: body["status"] == "incomplete",
    "messages": lambda body: body["stop_reason"] == "max_tokens",
    "gemini": lambda body: body["candidates"][0]["finishReason"] == "MAX_TOKENS",
}


@protocols
def test_output_tokens_are_as_many_as_were_wished_for(protocol):
    script = simulator().answer(with_headers(question(protocol), output_tokens=777))
    assert reading(protocol, script).usage.output_tokens == 777
    assert not CUT[protocol](body_of(script))


@protocols
def test_but_never_more_than_the_limit_and_then_the_answer_says_so(protocol):
    script = simulator().answer(with_headers(question(protocol, cap=50), output_tokens=777))
    assert reading(protocol, script).usage.output_tokens == 50
    assert CUT[protocol](body_of(script))


def test_latency_and_pace_are_seconds_of_the_script():
    script = simulator().answer(with_headers(question("chat"), latency_ms="250", chunk_ms="1.5"))
    assert (script.latency, script.pace) == (0.25, 0.0015)
    slow = simulator(latency_ms=100, chunk_ms=10)
    script = slow.answer(question("chat"))
    assert (script.latency, script.pace) == (0.1, 0.01)
    assert slow.answer(with_headers(question("chat"), latency_ms=0)).latency == 0


@protocols
@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 500, 503, 529])
def test_an_error_has_the_status_that_was_wished_for(protocol, status):
    script = simulator().answer(with_headers(question(protocol), error=status))
    assert script.status == status
    assert body_of(script)["error"]["message"]
    assert script.usage is None
    assert (b"retry-after" in dict(script.headers)) == (status == 429)


@pytest.mark.parametrize("how", ["reset", "hang"])
def test_a_connection_can_end_before_the_answer(how):
    script = simulator().answer(with_headers(question("chat"), error=how))
    assert (script.status, script.ends, list(script.chunks)) == (0, how, [])


@pytest.mark.parametrize(("name", "ends"), [("hangup_after", "reset"), ("stall_after", "hang")])
@protocols
def test_a_stream_breaks_after_so_many_chunks_and_is_billed_whole(protocol, name, ends):
    whole = simulator().answer(question(protocol, stream=True))
    script = simulator().answer(with_headers(question(protocol, stream=True), **{name: 3}))
    assert list(script.chunks) == list(whole.chunks)[:3]
    assert script.ends == ends
    assert script.usage == whole.usage
    assert len(events_of(script)) == 3


def test_a_whole_answer_breaks_after_so_many_bytes():
    whole = b"".join(simulator().answer(question("chat")).chunks)
    script = simulator().answer(with_headers(question("chat"), hangup_after=10))
    assert b"".join(script.chunks) == whole[:10]
    assert script.ends == "reset"
    none = simulator().answer(with_headers(question("chat"), hangup_after=0))
    assert (none.status, list(none.chunks), none.ends) == (200, [], "reset")


def test_a_break_after_the_end_is_no_break():
    for stream in (False, True):
        asked = with_headers(question("chat", stream=stream), hangup_after=100_000)
        assert simulator().answer(asked).ends == "whole"


def test_rates_hit_about_that_share_of_calls_and_the_same_ones_each_time():
    def ends(seed):
        one = simulator(seed=seed, error_rate=0.2, hangup_rate=0.3)
        return [(s.status, s.ends) for s in (one.answer(question("chat")) for _ in range(1000))]

    first = ends(1)
    assert first == ends(1) != ends(2)
    failed = [status for status, _ in first if status != 200]
    assert set(failed) == {429, 500, 503}
    assert 150 < len(failed) < 250
    assert 190 < sum(ending == "reset" for _, ending in first) < 290


def test_a_rate_of_one_hits_every_call():
    one = simulator(hangup_rate=1.0)
    assert {one.answer(question("chat", stream=True)).ends for _ in range(20)} == {"reset"}
