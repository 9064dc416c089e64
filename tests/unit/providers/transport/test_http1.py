"""Our client keeps connections, never sends a call twice, and loses none without saying so."""

from __future__ import annotations

import asyncio
import random
import selectors
import time

import pytest

from farthing.providers.transport.answer import MOST_UNREAD
from farthing.providers.transport.http1 import PooledTransport
from farthing.providers.transport.request_head import Unspeakable
from farthing.providers.transport.wire import Lost, NotSent, Origin, Request, TimedOut, Timeouts
from farthing.testing.servers import (
    OK,
    SOON,
    Provider,
    Serve,
    Visit,
    ask,
    asking,
    closing,
    provider,
    rest,
    saying,
)

LATE = 0.8  # a timeout of 0.2 s is looked at every 0.25 s, on a busy machine


async def _echo(it: Provider, visit: Visit) -> None:
    while True:
        head, body = await visit.request()
        it.requests.append(head)
        await visit.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


async def test_a_thousand_calls_in_a_row_share_one_connection() -> None:
    async with provider(_echo) as it, closing(PooledTransport()) as transport:
        for number in range(1000):
            body = b"call %d" % number
            assert await ask(transport, it, asking(body=body)) == body
        assert it.connections == 1


async def test_a_hundred_calls_at_once_get_each_their_own_answer() -> None:
    async with provider(_echo) as it, closing(PooledTransport()) as transport:
        bodies = [b"call %d " % number * number for number in range(100)]
        for _ in range(3):
            asked = [ask(transport, it, asking(body=body)) for body in bodies]
            assert await asyncio.gather(*asked) == bodies
        assert it.connections <= 100 + 2 * (100 - 64)


async def test_an_answer_that_came_in_one_read_is_there_with_its_head() -> None:
    async with provider(saying(OK)) as it, closing(PooledTransport()) as transport:
        answer = await transport.send(it.origin, asking(), SOON)
        assert not answer.ended
        reading = answer.chunk()
        with pytest.raises(StopIteration, match="ok"):
            reading.send(None)
        assert answer.ended
        assert await answer.chunk() == b""


async def test_an_answer_without_a_body_has_ended_with_its_head() -> None:
    empty = b"HTTP/1.1 204 No Content\r\n\r\n"
    async with provider(saying(empty)) as it, closing(PooledTransport()) as transport:
        answer = await transport.send(it.origin, asking(), SOON)
        assert (answer.status, answer.ended, await answer.chunk()) == (204, True, b"")


async def test_what_is_written_is_exactly_what_was_meant() -> None:
    async with provider(saying(OK)) as it, closing(PooledTransport()) as transport:
        headers = [(b"x-a", b"1"), (b"x-a", b"\xe9"), (b"host", b"evil"), (b"content-length", b"9")]
        await ask(transport, it, Request(b"POST", b"/a/../b%2F?c=%20", headers, b"{}"))
        await ask(transport, it, Request(b"POST", b"/", [], b""))
        await ask(transport, it, Request(b"GET", b"/", [], b""))
        host = f"127.0.0.1:{it.origin.port}".encode()
        assert it.requests == [
            b"POST /a/../b%%2F?c=%%20 HTTP/1.1\r\nhost: %b\r\nx-a: 1\r\nx-a: \xe9\r\n"
            b"content-length: 2\r\n\r\n{}" % host,
            b"POST / HTTP/1.1\r\nhost: %b\r\ncontent-length: 0\r\n\r\n" % host,
            b"GET / HTTP/1.1\r\nhost: %b\r\n\r\n" % host,
        ]


@pytest.mark.parametrize(
    "request_",
    [
        Request(b"POST", b"/", [(b"x-a", b"1\r\nx-b: 2")], b""),
        Request(b"POST", b"/", [(b"x-a", b"1\nx-b: 2")], b""),
        Request(b"POST", b"/", [(b"x-a", b"1\rx-b: 2")], b""),
        Request(b"POST", b"/", [(b"x-a", b"1\0")], b""),
        Request(b"POST", b"/", [(b"x-a\r\nx-b", b"1")], b""),
        Request(b"POST", b"/", [(b"x-a: 1", b"1")], b""),
        Request(b"POST", b"/", [(b"Transfer-Encoding", b"chunked")], b""),
        Request(b"POST", b"/", [(b"", b"1")], b""),
        Request(b"POST", b"/ HTTP/1.1\r\nx-b: 2\r\n\r\n", [], b""),
        Request(b"POST", b"/a b", [], b""),
        Request(b"POST", b"/a#b", [], b""),
        Request(b"POST", b"http://elsewhere/", [], b""),
        Request(b"POST", b"", [], b""),
        Request(b"POST /x", b"/", [], b""),
        Request(b"CONNECT", b"/", [], b""),
    ],
)
async def test_a_request_that_smuggles_is_refused_before_anybody_is_called(
    request_: Request,
) -> None:
    async with provider(saying(OK)) as it, closing(PooledTransport()) as transport:
        for _ in range(2):  # what was refused once is not remembered as good
            with pytest.raises(Unspeakable):
                await transport.send(it.origin, request_, SOON)
        assert it.connections == 0


# Connections that are kept


async def test_a_connection_closed_while_idle_is_replaced() -> None:
    async with provider(saying(OK, then="close")) as it, closing(PooledTransport()) as transport:
        for _ in range(3):
            assert await ask(transport, it) == b"ok"
            await asyncio.sleep(0.02)  # its end arrives
        assert (it.connections, len(it.requests)) == (3, 3)


async def test_a_byte_that_nobody_asked_for_spoils_an_idle_connection() -> None:
    async def serve(it: Provider, visit: Visit) -> None:
        await visit.request()
        await visit.say(OK)
        await asyncio.sleep(0.01)
        await visit.say(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        await visit.request()

    async with provider(serve) as it, closing(PooledTransport()) as transport:
        assert await ask(transport, it) == b"ok"
        await asyncio.sleep(0.05)
        assert await ask(transport, it) == b"ok"
        assert it.connections == 2


async def _first_alone(it: Provider, visit: Visit) -> None:
    """Answers the first request of a connection, reads the second and closes."""
    it.requests.append((await visit.request())[0])
    await visit.say(OK)
    it.requests.append((await visit.request())[0])


async def test_a_post_that_met_a_closing_connection_is_lost_and_never_sent_again() -> None:
    async with provider(_first_alone) as it, closing(PooledTransport()) as transport:
        await ask(transport, it)
        with pytest.raises(Lost):
            await ask(transport, it)
        assert (it.connections, len(it.requests)) == (1, 2)


async def test_a_get_that_met_a_closing_connection_is_sent_once_more() -> None:
    async with provider(_first_alone) as it, closing(PooledTransport()) as transport:
        await ask(transport, it)
        assert await ask(transport, it, asking("GET", b"")) == b"ok"
        assert (it.connections, len(it.requests)) == (2, 3)


async def test_a_get_is_not_sent_again_once_a_byte_came() -> None:
    async def serve(it: Provider, visit: Visit) -> None:
        it.requests.append((await visit.request())[0])
        await visit.say(OK)
        it.requests.append((await visit.request())[0])
        await visit.say(b"H")

    async with provider(serve) as it, closing(PooledTransport()) as transport:
        await ask(transport, it)
        with pytest.raises(Lost):
            await ask(transport, it, asking("GET", b""))
        assert (it.connections, len(it.requests)) == (1, 2)


async def test_a_get_on_a_new_connection_is_not_sent_again() -> None:
    async with provider(saying(b"", then="close")) as it, closing(PooledTransport()) as transport:
        with pytest.raises(Lost):
            await ask(transport, it, asking("GET", b""))
        assert len(it.requests) == 1


def _moody(dice: random.Random) -> Serve:
    """Answers whole, in parts or not at all; closes or resets before and after."""

    async def serve(it: Provider, visit: Visit) -> None:
        last = False
        while not last:
            it.requests.append((await visit.request())[1])
            says, last = dice.choice([(), (OK,), (OK,), (OK[:5], OK[5:])]), dice.random() < 0.3
            await visit.say(*says)
            last = last or not says
        if dice.random() < 0.5:
            visit.reset()

    return serve


@pytest.mark.parametrize("seed", range(4))
async def test_no_post_reaches_a_moody_provider_twice(seed: int) -> None:
    async def calls(caller: int) -> int:
        lost = 0
        for number in range(40):
            try:
                await ask(transport, it, asking(body=b"%d/%d" % (caller, number)))
            except Lost:
                lost += 1
        return lost

    async with (
        provider(_moody(random.Random(seed))) as it,
        closing(PooledTransport()) as transport,
    ):
        lost = await asyncio.gather(*map(calls, range(8)))
    assert len(it.requests) == len(set(it.requests))
    assert 320 - sum(lost) <= len(it.requests) <= 320
    assert 0 < sum(lost) < 320


async def test_no_more_connections_wait_than_may() -> None:
    async with provider(_echo) as it, closing(PooledTransport(most_idle=2)) as transport:
        await asyncio.gather(*[ask(transport, it) for _ in range(5)])
        await asyncio.gather(*[ask(transport, it) for _ in range(5)])
        assert it.connections == 5 + 3


async def test_a_connection_waits_no_longer_than_it_may() -> None:
    async with provider(_echo) as it, closing(PooledTransport(idle_seconds=0.1)) as transport:
        await ask(transport, it)
        await asyncio.sleep(0.6)
        await ask(transport, it)
        assert it.connections == 2


async def test_a_closed_transport_lets_answers_end() -> None:
    hold = asyncio.Event()

    async def serve(it: Provider, visit: Visit) -> None:
        it.requests.append((await visit.request())[0])
        await visit.say(OK[:-1])
        await hold.wait()
        await visit.say(OK[-1:])
        await visit.reader.read()
        it.requests.append(b"closed")

    async with provider(serve) as it:
        transport = PooledTransport()
        answer = await transport.send(it.origin, asking(), SOON)
        await transport.close()
        hold.set()
        assert await rest(answer) == b"ok"
        await asyncio.sleep(0.02)
        assert it.requests[1:] == [b"closed"]


# Giving up


async def _stalling(it: Provider, visit: Visit) -> None:
    """The head and one byte, then silence; notes when the caller is gone."""
    head, _ = await visit.request()
    if b"/head" not in head:
        await visit.say(OK[:-1])
    await visit.reader.read()
    it.requests.append(b"gone")


@pytest.mark.parametrize("target", ["/head", "/body"])
async def test_a_cancelled_call_closes_its_connection(target: str) -> None:
    async with provider(_stalling) as it, closing(PooledTransport()) as transport:
        call = asyncio.create_task(ask(transport, it, asking(target=target)))
        await asyncio.sleep(0.05)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.sleep(0.02)
        assert it.requests == [b"gone"]


async def test_a_call_cancelled_as_its_answer_came_does_not_harm_the_next_one() -> None:
    async with provider(_echo) as it, closing(PooledTransport()) as transport:
        for turns in range(12):
            first = asyncio.create_task(ask(transport, it, asking(body=b"first")))
            for _ in range(turns):
                await asyncio.sleep(0)
            second = asyncio.create_task(ask(transport, it, asking(body=b"second")))
            await asyncio.sleep(0)
            first.cancel()
            assert await second == b"second"
            await asyncio.gather(first, return_exceptions=True)


async def test_closing_an_answer_early_costs_its_connection() -> None:
    async with provider(_stalling) as it, closing(PooledTransport()) as transport:
        answer = await transport.send(it.origin, asking(), SOON)
        answer.close()
        with pytest.raises(Lost):
            await answer.chunk()
        await asyncio.sleep(0.02)
        assert it.requests == [b"gone"]


async def test_closing_an_answer_that_came_whole_keeps_its_connection() -> None:
    async with provider(saying(OK)) as it, closing(PooledTransport()) as transport:
        for _ in range(3):
            (await transport.send(it.origin, asking(), SOON)).close()
        assert it.connections == 1


async def test_closing_an_old_answer_does_not_touch_the_next_on_its_connection() -> None:
    async with provider(_echo) as it, closing(PooledTransport()) as transport:
        old = await transport.send(it.origin, asking(), SOON)
        new = asyncio.create_task(ask(transport, it, asking(body=b"new")))
        await asyncio.sleep(0)
        old.close()
        assert await new == b"new"


# Time


async def test_a_provider_that_says_nothing_times_out() -> None:
    times = Timeouts(first=0.2)
    async with provider(_stalling) as it, closing(PooledTransport()) as transport:
        began = time.monotonic()
        with pytest.raises(TimedOut):
            await transport.send(it.origin, asking(target="/head"), times)
        assert 0.2 <= time.monotonic() - began < LATE
        await asyncio.sleep(0.02)
        assert it.requests == [b"gone"]


async def test_a_head_that_drips_times_out_all_the_same() -> None:
    async def serve(it: Provider, visit: Visit) -> None:
        await visit.request()
        await visit.say(b"HTTP/1.1 200 OK\r\nX-A: ")
        while True:
            await visit.say(b"a")
            await asyncio.sleep(0.02)

    async with provider(serve) as it, closing(PooledTransport()) as transport:
        with pytest.raises(TimedOut):
            await transport.send(it.origin, asking(), Timeouts(first=0.3))


async def test_a_body_that_stops_times_out_after_what_came() -> None:
    async with provider(_stalling) as it, closing(PooledTransport()) as transport:
        answer = await transport.send(it.origin, asking(), Timeouts(between=0.2))
        assert await answer.chunk() == b"o"
        with pytest.raises(TimedOut):
            await answer.chunk()


async def test_a_slow_body_is_handed_on_as_it_comes_and_may_take_long() -> None:
    async def serve(it: Provider, visit: Visit) -> None:
        await visit.request()
        await visit.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(10):
            await visit.say(b"1\r\n%d\r\n" % number)
            await asyncio.sleep(0.12)
        await visit.say(b"0\r\n\r\n")

    times = Timeouts(first=0.4, between=0.4)
    async with provider(serve) as it, closing(PooledTransport()) as transport:
        answer = await transport.send(it.origin, asking(), times)
        parts = []
        while part := await answer.chunk():
            parts.append(part)
        assert parts == [b"%d" % number for number in range(10)]


async def test_a_slow_reader_is_no_silent_provider() -> None:
    async def serve(it: Provider, visit: Visit) -> None:
        await visit.request()
        await visit.say(b"HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n")
        await visit.say(b"x" * 20_000_000)

    async with provider(serve) as it, closing(PooledTransport()) as transport:
        answer = await transport.send(it.origin, asking(), Timeouts(first=0.2, between=0.2))
        await asyncio.sleep(1.0)
        assert len(await rest(answer)) == 20_000_000


class _Leaping(asyncio.SelectorEventLoop):
    """A loop whose clock leaps where it would wait."""

    def __init__(self) -> None:
        super().__init__(_LeapingSelector(self))
        self.leapt = 0.0

    def time(self) -> float:
        return super().time() + self.leapt


class _LeapingSelector(selectors.DefaultSelector):
    def __init__(self, loop: _Leaping) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(min(timeout or 0, 0.001))
        if not found and timeout:
            self._loop.leapt += timeout
        return found


def test_all_time_is_the_loops() -> None:
    async def waits() -> float:
        async with provider(_stalling) as it, closing(PooledTransport()) as transport:
            began = asyncio.get_running_loop().time()
            with pytest.raises(TimedOut):
                await transport.send(it.origin, asking(target="/head"), Timeouts(first=600))
            return asyncio.get_running_loop().time() - began

    began = time.monotonic()
    with asyncio.Runner(loop_factory=_Leaping) as runner:
        assert 600 <= runner.run(waits()) < 601
    assert time.monotonic() - began < 30


async def test_a_port_that_nobody_listens_on_is_not_sent() -> None:
    async with provider(_echo) as it:
        nobody = it.origin
    async with closing(PooledTransport()) as transport:
        with pytest.raises(NotSent, match="cannot be reached"):
            await transport.send(nobody, asking(), SOON)


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 70 + ".invalid", "..", "\udc80"])
async def test_a_host_that_is_none_is_not_sent(host: str) -> None:
    async with closing(PooledTransport()) as transport:
        with pytest.raises(NotSent):
            await transport.send(Origin("http", host, 80), asking(), SOON)


# Size


async def test_a_provider_waits_for_a_reader_who_waits() -> None:
    size, part = 50_000_000, b"x" * 100_000
    written = 0

    async def serve(it: Provider, visit: Visit) -> None:
        nonlocal written
        await visit.request()
        await visit.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // len(part)):
            await visit.say(part)
            written += len(part)

    async with provider(serve) as it, closing(PooledTransport()) as transport:
        answer = await transport.send(it.origin, asking(), SOON)
        await asyncio.sleep(0.3)
        waiting = written
        await asyncio.sleep(0.2)
        assert written == waiting < 16_000_000  # what the kernel's buffers hold
        first = await answer.chunk()
        assert len(first) <= MOST_UNREAD + (256 << 10)
        assert len(first) + len(await rest(answer)) == size
        assert await ask(transport, it, asking("HEAD", b"")) == b""


@pytest.mark.parametrize("size", [64 << 10, (64 << 10) + 1, 3_000_000, 20_000_000])
async def test_a_long_upload_arrives_whole_at_a_slow_reader(size: int) -> None:
    sent = random.Random(size).randbytes(size)

    async def serve(it: Provider, visit: Visit) -> None:
        while True:
            await visit.reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(0.05)
            it.requests.append(await visit.reader.readexactly(size))
            await visit.say(OK)

    async with provider(serve) as it, closing(PooledTransport()) as transport:
        for _ in range(2):
            assert await ask(transport, it, asking(body=sent)) == b"ok"
        assert it.requests == [sent, sent]
        assert it.connections == 1


async def test_an_answer_before_the_end_of_an_upload_is_heard() -> None:
    async def serve(it: Provider, visit: Visit) -> None:
        await visit.reader.readuntil(b"\r\n\r\n")
        await visit.say(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        await asyncio.sleep(1)

    async with provider(serve) as it, closing(PooledTransport()) as transport:
        for _ in range(2):
            answer = await transport.send(it.origin, asking(body=bytes(30_000_000)), SOON)
            assert (answer.status, await rest(answer)) == (413, b"no")
        assert it.connections == 2


@pytest.mark.parametrize("then", ["close", "reset"])
async def test_an_upload_that_breaks_off_is_lost(then: str) -> None:
    async def serve(it: Provider, visit: Visit) -> None:
        await visit.reader.readuntil(b"\r\n\r\n")
        if then == "reset":
            visit.reset()

    async with provider(serve) as it, closing(PooledTransport()) as transport:
        with pytest.raises(Lost):
            await transport.send(it.origin, asking(body=bytes(30_000_000)), SOON)


async def test_a_cancelled_upload_closes_its_connection() -> None:
    async def serve(it: Provider, visit: Visit) -> None:
        await visit.reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.1)
        with pytest.raises((EOFError, OSError)):
            await visit.reader.readexactly(30_000_000)
        it.requests.append(b"gone")

    async with provider(serve) as it, closing(PooledTransport()) as transport:
        call = asyncio.create_task(ask(transport, it, asking(body=bytes(30_000_000))))
        await asyncio.sleep(0.05)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.sleep(0.2)
        assert it.requests == [b"gone"]


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n"


@pytest.mark.parametrize(
    "parts",
    [
        [HEAD, *[b"X-A: %b\r\n" % (b"a" * 1000)] * 100],
        [HEAD + b"X-A: ", *[b"a" * 1000] * 100],
        [HEAD + b"X-A: " + b"a" * 100_000 + b"\r\nContent-Length: 0\r\n\r\n"],
        [b"HTTP/1.1 200 ", *[b"a" * 1000] * 100],
        [b"HTTP/1.1 102 Processing\r\n\r\n"] * 4000,
        [CHUNKED, b"0\r\n", *[b"X-A: %b\r\n" % (b"a" * 1000)] * 100],
        [CHUNKED, b"1;", *[b"a" * 1000] * 100],
    ],
    ids=["headers", "header", "one read", "reason", "informational", "trailers", "extension"],
)
async def test_headers_without_end_are_lost(parts: list[bytes]) -> None:
    async def serve(it: Provider, visit: Visit) -> None:
        await visit.request()
        for part in parts:
            visit.writer.write(part)
        try:
            await visit.reader.read()
        finally:
            it.requests.append(b"gone")

    async with provider(serve) as it, closing(PooledTransport()) as transport:
        with pytest.raises(Lost):
            await ask(transport, it)
        await asyncio.sleep(0.02)
        assert it.requests == [b"gone"]


async def test_a_long_head_that_has_an_end_is_read() -> None:
    head = HEAD + b"".join(b"X-%d: %b\r\n" % (number, b"a" * 500) for number in range(100))
    sent = head + b"Content-Length: 100000\r\n\r\n" + b"x" * 100_000
    async with provider(saying(sent)) as it, closing(PooledTransport()) as transport:
        answer = await transport.send(it.origin, asking(), SOON)
        assert len(answer.headers) == 100
        assert len(await rest(answer)) == 100_000
