"""What every transport promises, as checks that its author runs: `await check(MyTransport)`.

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    async def test_my_transport_keeps_its_promises(check):
        await check(MyTransport)

A check raises AssertionError, in words, where a promise is broken.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator

import msgspec

from farthing.providers.transport.wire import Lost, NotSent, Origin, TimedOut, Timeouts, Transport
from farthing.testing.servers import (
    OK,
    SOON,
    Provider,
    Visit,
    asking,
    closing,
    heard,
    provider,
    rest,
    saying,
)

MEBIBYTE = 1 << 20
MOST_AHEAD = 24 * MEBIBYTE  # sockets hold some, too
Make = Callable[[], Transport]
Check = Callable[[Make], Awaitable[None]]


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider sends, and what is to be made of it. `body` None: no answer, but Lost.

    `then`: it keeps the connection, closes or resets it. `cut`: tried in pieces, too.
    """

    name: str
    sends: bytes
    body: bytes | None
    status: int = 200
    then: str = "close"
    cut: bool = True


_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

# A bad chunk is not cut: in pieces, aiohttp takes it for Lost only once its time is over.
SCRIPTS = (
    Script(name="a length", sends=OK, body=b"ok", then="keep"),
    Script(name="chunks", sends=_CHUNKED + b"2\r\nok\r\n0\r\n\r\n", body=b"ok", then="keep"),
    Script(
        name="extensions and trailers",
        sends=_CHUNKED + b"2;a=b\r\nok\r\n0\r\nx-sum: 1\r\n\r\n", body=b"ok", then="keep",
    ),
    Script(name="up to the end", sends=b"HTTP/1.1 200 OK\r\n\r\nok", body=b"ok"),
    Script(
        name="hints before",
        sends=b"HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n" + OK, body=b"ok", then="keep",
    ),
    Script(
        name="nothing", sends=b"HTTP/1.1 204 No Content\r\n\r\n", status=204, body=b"", then="keep"
    ),
    Script(
        name="an error", sends=b"HTTP/1.1 529 Busy\r\nContent-Length: 2\r\n\r\nno",
        status=529, body=b"no", then="keep",
    ),
    Script(name="not a byte", sends=b"", body=None),
    Script(name="half a head", sends=b"HTTP/1.1 200 OK\r\nContent-Le", body=None),
    Script(
        name="less than its length", sends=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
        body=None,
    ),
    Script(name="chunks without end", sends=_CHUNKED + b"2\r\nok\r\n", body=None),
    Script(name="a chunk of no size", sends=_CHUNKED + b"zz\r\nok\r\n", body=None, cut=False),
    Script(name="another protocol", sends=b"SSH-2.0-OpenSSH_9.2\r\n", body=None),
)  # fmt: skip


async def it_reads_what_the_scripts_say_however_they_are_cut(make: Make) -> None:
    for script in SCRIPTS:
        for parts in _cuts(script.sends) if script.cut else [[script.sends]]:
            async with provider(saying(*parts, then=script.then)) as it, closing(make()) as ours:
                found = await heard(ours, it, "POST")
            told = None if found is None else (found[0], found[2])
            wanted = None if script.body is None else (script.status, script.body)
            assert told == wanted, f"{script.name}, cut into {parts}: {told} is not {wanted}"


async def it_sends_a_call_once_whatever_happens(make: Make) -> None:
    """Bytes that went out may have been answered, and paid for."""
    for then in ("close", "reset"):
        async with provider(saying(b"", then=then)) as it, closing(make()) as ours:
            for _ in range(2):
                assert await heard(ours, it, "POST") is None, "no answer was taken for one"
            assert len(it.requests) == 2, f"two calls were sent {len(it.requests)} times"  # noqa: PLR2004


async def it_keeps_a_connection_whose_answer_was_whole(make: Make) -> None:
    async with provider(saying(OK)) as it, closing(make()) as ours:
        for _ in range(3):
            assert await heard(ours, it, "POST") is not None
        assert it.connections == 1, f"{it.connections} connections for calls one after another"


async def it_follows_no_redirect(make: Make) -> None:
    moved = b"HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
    async with provider(saying(moved)) as it, closing(make()) as ours:
        found = await heard(ours, it, "POST")
        assert found is not None, "a redirect was taken for no answer"
        assert found[0] == 307, f"a redirect was made {found[0]}"  # noqa: PLR2004
        assert len(it.requests) == 1, "a redirect was followed"


async def it_says_when_nothing_was_sent(make: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with closing(make()) as ours:
        try:
            await ours.send(Origin("http", "127.0.0.1", port), asking(), SOON)
        except NotSent:
            return
    raise AssertionError("nobody listened, and that was not NotSent")


async def it_waits_no_longer_than_it_is_told(make: Make) -> None:
    async def silent(it: Provider, visit: Visit) -> None:
        await visit.request()
        await asyncio.sleep(30)

    async with provider(silent) as it, closing(make()) as ours:
        try:
            async with asyncio.timeout(10):
                await ours.send(it.origin, asking(), Timeouts(connect=5, first=0.2, between=5))
        except TimedOut:
            return
    raise AssertionError("a provider was silent, and that was not TimedOut")


async def it_reads_no_faster_than_its_reader(make: Make) -> None:
    said = 0

    async def pouring(it: Provider, visit: Visit) -> None:
        nonlocal said
        await visit.request()
        await visit.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (100 * MEBIBYTE))
        for _ in range(100):
            await visit.say(b"x" * MEBIBYTE)
            said += MEBIBYTE

    async with provider(pouring) as it, closing(make()) as ours:
        answer = await ours.send(it.origin, asking(), SOON)
        await asyncio.sleep(0.5)
        assert said < MOST_AHEAD, f"{said >> 20} MiB were taken that nobody read"
        assert len(await rest(answer)) == 100 * MEBIBYTE, "bytes were lost"


async def it_leaves_when_its_reader_does(make: Make) -> None:
    left = asyncio.Event()

    async def endless(it: Provider, visit: Visit) -> None:
        await visit.request()
        await visit.say(_CHUNKED)
        try:
            while True:
                await visit.say(b"1\r\nx\r\n")
                await asyncio.sleep(0.01)
        except OSError:
            left.set()

    async with provider(endless) as it, closing(make()) as ours:
        answer = await ours.send(it.origin, asking(), SOON)
        await answer.chunk()
        answer.close()
        async with asyncio.timeout(5):
            await left.wait()


async def it_hands_on_what_came_before_a_break(make: Make) -> None:
    sent = _CHUNKED + b"2\r\nok\r\n"
    async with provider(saying(sent, then="close")) as it, closing(make()) as ours:
        answer = await ours.send(it.origin, asking(), SOON)
        assert await answer.chunk() == b"ok", "what came was lost"
        try:
            await answer.chunk()
        except Lost:
            return
    raise AssertionError("an answer broke off, and that was not Lost")


CHECKS: tuple[Check, ...] = (
    it_reads_what_the_scripts_say_however_they_are_cut,
    it_sends_a_call_once_whatever_happens,
    it_keeps_a_connection_whose_answer_was_whole,
    it_follows_no_redirect,
    it_says_when_nothing_was_sent,
    it_waits_no_longer_than_it_is_told,
    it_reads_no_faster_than_its_reader,
    it_leaves_when_its_reader_does,
    it_hands_on_what_came_before_a_break,
)


def _cuts(sends: bytes) -> Iterator[list[bytes]]:
    yield [sends]
    yield [sends[at : at + 1] for at in range(len(sends))]
    for at in range(1, len(sends), 5):
        yield [sends[:at], sends[at:]]
