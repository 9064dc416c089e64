"""Whoever does not read is noticed, whichever part of an answer waits for it."""

import asyncio
from types import SimpleNamespace

import pytest

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
