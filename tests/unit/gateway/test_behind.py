"""No call waits for a disk that is busy, and nothing waits in memory without bound."""

import asyncio
import os
import time

import pytest

from farthing.gateway import behind
from farthing.gateway.behind import Behind
from tests.unit.gateway.kept import kept

MB = 1 << 20
SECRET = b"s" * 32


@pytest.fixture
async def disk(tmp_path):
    opened = Behind(tmp_path)
    opened.limit(32 * MB)
    await opened.ready()
    yield opened
    await opened.close()


async def test_what_is_offered_is_on_disk_within_a_second(disk):
    key = os.urandom(32)
    disk.offer(key, SECRET, kept())
    assert key not in disk
    await asyncio.sleep(2 * behind.FLUSH_SECONDS)
    assert key in disk
    assert await disk.read(key, SECRET) == kept()


async def test_no_call_waits_long_for_a_disk_that_is_busy_and_the_next_not_at_all(disk):
    key = os.urandom(32)
    disk.offer(key, SECRET, kept())
    disk._flush()
    await disk.ready()
    disk._do(time.sleep, 0.6)
    before = time.monotonic()
    assert await disk.read(key, SECRET) is None
    assert time.monotonic() - before < 0.4
    assert key not in disk
    await disk.ready()
    await asyncio.sleep(0)
    assert key in disk


async def test_what_a_slow_disk_does_not_take_is_let_go(disk):
    disk._do(time.sleep, 0.3)
    for _ in range(60):
        disk.offer(os.urandom(32), SECRET, kept(b"x" * MB))
    assert disk._waiting_bytes < behind.MOST_WAITING + 2 * MB


async def test_with_no_room_nothing_is_kept_and_no_file_made(tmp_path):
    disk = Behind(tmp_path)
    disk.limit(0)
    assert not disk.on
    await disk.close()
    assert not list(tmp_path.iterdir())
