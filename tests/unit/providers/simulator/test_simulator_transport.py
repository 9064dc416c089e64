"""In process, the simulator behaves as a provider behind a socket would."""

import asyncio

import pytest

from farthing.providers.simulator.transport import SimulatorTransport
from farthing.providers.transport.wire import Lost, NotSent, Origin, TimedOut, Timeouts
from tests.unit.providers.simulator.asking import question, simulator, with_headers

ORIGIN = Origin("http", "simulator", 80)
USUAL = Timeouts()
SHORT = Timeouts(first=0.02, between=0.02)


async def whole(answer) -> bytes:
    parts = []
    while part := await answer.chunk():
        parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_comes_whole_and_ends(stream):
    script = simulator().answer(question("chat", stream=stream))
    answer = await SimulatorTransport(simulator()).send(
        ORIGIN, question("chat", stream=stream), USUAL
    )
    assert (answer.status, answer.headers) == (200, script.headers)
    assert not answer.ended
    assert await whole(answer) == b"".join(script.chunks)
    assert answer.ended
    assert await answer.chunk() == b""


async def test_an_answer_has_ended_with_its_last_chunk():
    answer = await SimulatorTransport(simulator()).send(ORIGIN, question("chat"), USUAL)
    await answer.chunk()
    assert answer.ended


async def test_every_attempt_is_heard_of_before_its_answer_and_finished_after_it():
    heard = []
    transport = SimulatorTransport(
        simulator(), lambda request, script: heard.append((request, script))
    )
    asked = question("chat", stream=True)
    answer = await transport.send(ORIGIN, asked, USUAL)
    ((request, script),) = heard
    assert request is asked
    assert script.usage.output_tokens > 0
    assert not script.finished
    await whole(answer)
    assert script.finished
    with pytest.raises(Lost):
        await transport.send(ORIGIN, with_headers(asked, error="reset"), USUAL)
    assert len(heard) == 2


async def test_a_reset_is_lost_and_never_not_sent():
    transport = SimulatorTransport(simulator())
    with pytest.raises(Lost) as caught:
        await transport.send(ORIGIN, with_headers(question("chat"), error="reset"), USUAL)
    assert not isinstance(caught.value, NotSent | TimedOut)


async def test_silence_times_out():
    transport = SimulatorTransport(simulator())
    for wish in ({"error": "hang"}, {"latency_ms": 1000}):
        with pytest.raises(TimedOut):
            await transport.send(ORIGIN, with_headers(question("chat"), **wish), SHORT)
    for wish in ({"stall_after": 2}, {"chunk_ms": 1000}):
        asked = with_headers(question("chat", stream=True), **wish)
        answer = await transport.send(ORIGIN, asked, SHORT)
        with pytest.raises(TimedOut):
            await whole(answer)
        assert not answer.ended


@pytest.mark.parametrize("stream", [False, True])
async def test_a_hangup_hands_over_what_came_before(stream):
    asked = with_headers(question("chat", stream=stream), hangup_after=3)
    answer = await SimulatorTransport(simulator()).send(ORIGIN, asked, USUAL)
    came = b"".join([await answer.chunk() for _ in range(3 if stream else 1)])
    assert came.count(b"\n\n") == 3 if stream else len(came) == 3
    with pytest.raises(Lost):
        await answer.chunk()
    assert not answer.ended


async def test_a_closed_answer_gives_nothing_more():
    heard = []
    transport = SimulatorTransport(simulator(), lambda _, script: heard.append(script))
    answer = await transport.send(ORIGIN, question("chat", stream=True), USUAL)
    await answer.chunk()
    answer.close()
    with pytest.raises(Lost):
        await answer.chunk()
    assert not heard[0].finished
    await transport.close()


async def test_a_call_can_be_given_up():
    transport = SimulatorTransport(simulator())
    asked = with_headers(question("chat"), error="hang")
    task = asyncio.create_task(transport.send(ORIGIN, asked, USUAL))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_times_are_those_of_the_loop():
    loop = asyncio.get_running_loop()
    begun = loop.time()
    asked = with_headers(question("chat", stream=True), latency_ms=30, chunk_ms=1, output_tokens=40)
    await whole(await SimulatorTransport(simulator()).send(ORIGIN, asked, USUAL))
    assert loop.time() - begun >= 0.03 + 0.01


async def test_others_go_first_while_an_answer_takes_no_time():
    went = []
    asyncio.get_running_loop().call_soon(went.append, 1)
    await SimulatorTransport(simulator()).send(ORIGIN, question("chat"), USUAL)
    assert went
