"""Whoever does not read is noticed, whichever part of an answer waits for it."""

import asyncio
from types import SimpleNamespace

import pytest

from farthing.gateway.recording import Recording
from farthing.gateway.reply import Reply


@pytest.mark.parametrize("part", ["head", "body"])
async def test_from_the_first_byte_on_it_is_known_since_when_a_caller_does_not_read(part):
    room = asyncio.Event()
    x = SimpleNamespace(
        id="1", tap=None, cache_word=b"miss", attempt=None, hung_up=False, stalled_at=None
    )

    async def send(_):
        await room.wait()

    reply = Reply(send, x, lambda: 7.0)
    sending = reply.start(200, []) if part == "head" else reply.chunk(b"x", last=True)
    task = asyncio.create_task(sending)
    await asyncio.sleep(0)
    assert x.stalled_at == 7.0
    room.set()
    await task
    assert x.stalled_at is None


async def test_who_reads_along_does_not_wait_for_a_caller_who_does_not_read():
    tap, room, got = Recording(), asyncio.Event(), []
    tap.followers = 1
    x = SimpleNamespace(
        id="1",
        tap=tap,
        cache_word=b"miss",
        attempt=None,
        hung_up=False,
        stalled_at=None,
        whole=True,
    )

    async def send(message):
        await room.wait()
        got.append(message["body"])

    async def follow():
        parts = []
        while part := await tap.read(sum(map(len, parts))):
            parts.append(part)
        return b"".join(parts)

    reply = Reply(send, x, lambda: 7.0)
    following = asyncio.create_task(follow())
    for part in (b"a", b"b"):
        await reply.chunk(part, last=False)
    ending = asyncio.create_task(reply.chunk(b"c", last=True))
    assert await asyncio.wait_for(following, 1) == b"abc"
    assert (got, ending.done(), x.stalled_at) == ([], False, 7.0)
    room.set()
    await ending
    assert b"".join(got) == b"abc"
