"""The simulated disk loses what disks lose, and nothing else; the loop keeps asyncio's promises."""

from __future__ import annotations

import asyncio
import errno
import os
from contextlib import suppress
from random import Random
from types import SimpleNamespace

import pytest

from farthing.ledger.disk import APPENDING, READING, sync_path
from farthing.testing.sim.disk import Killed, Life, Platter, SimDisk
from farthing.testing.sim.loop import Clock, SimLoop
from farthing.testing.sim.weather import CALM


class Nothing:
    def update(self, _):
        pass


@pytest.fixture
def made(tmp_path):
    folder = tmp_path / "journal"
    (folder / "set").mkdir(parents=True)
    platter = Platter(folder)

    def disk(effects=None):
        dice, clock = Random(1), Clock(0)
        life = Life(dice, effects)
        around = SimpleNamespace(weather=CALM, clock=clock, dice=dice, trace=Nothing())
        return SimDisk(platter, life, SimLoop(clock, dice), around), life

    return platter, disk


def segment(platter, name="00000001.ndjson"):
    return platter.folder / "set" / name


def safe(disk, platter):
    """The folders' entries survive; what is in the files is another matter."""
    sync_path(disk, platter.folder)
    sync_path(disk, platter.folder / "set")


def left(platter, seed):
    platter.lose(Random(seed))
    path = segment(platter)
    return path.read_bytes() if path.exists() else None


@pytest.mark.parametrize("seed", range(20))
def test_a_power_cut_keeps_what_was_synced_and_any_part_of_the_rest(made, seed):
    platter, open_disk = made
    disk, _ = open_disk()
    file = disk.open(segment(platter), APPENDING)
    safe(disk, platter)
    disk.write(file, b"first\n")
    disk.sync(file)
    disk.write(file, b"second\n")
    os.close(file)
    after = left(platter, seed)
    assert after.startswith(b"first\n")
    assert len(after) <= len(b"first\nsecond\n")


def test_a_file_whose_name_was_not_synced_may_be_gone_with_all_that_was(made):
    platter, open_disk = made
    disk, _ = open_disk()
    sync_path(disk, platter.folder)
    file = disk.open(segment(platter), APPENDING)
    disk.write(file, b"synced\n")
    disk.sync(file)
    os.close(file)
    assert left(platter, 1) in {None, b"synced\n"}
    gone = {platter.folder.joinpath("set", "00000001.ndjson").exists()}
    assert gone == {False}


def test_a_process_dies_at_an_effect_and_has_none_after_it(made):
    platter, open_disk = made
    disk, life = open_disk(effects=3)
    file = disk.open(segment(platter), APPENDING)
    disk.write(file, b"first\n")
    with pytest.raises(Killed):
        disk.write(file, b"second\n")
    with pytest.raises(Killed):
        disk.write(file, b"third\n")
    life.over = True
    assert disk.write(file, b"buried\n") == 7
    os.close(file)
    assert segment(platter).read_bytes() in {b"first\n", b"first\nsecond\n"}


def test_a_full_disk_takes_a_part_and_then_nothing(made):
    platter, open_disk = made
    disk, _ = open_disk()
    file = disk.open(segment(platter), APPENDING)
    disk.full = True
    assert disk.write(file, b"12345678") == 4
    with pytest.raises(OSError, match="space") as met:
        disk.write(file, b"5678")
    assert met.value.errno == errno.ENOSPC
    with pytest.raises(OSError, match="space"):
        disk.open(segment(platter, "00000002.ndjson"), APPENDING)
    os.close(file)


def test_the_dead_let_go_of_their_files_and_of_nobody_elses(made, tmp_path):
    platter, open_disk = made
    disk, _ = open_disk()
    closed = disk.open(segment(platter), APPENDING)
    os.close(closed)
    other = os.open(tmp_path, READING)  # has the number now
    kept = disk.open(segment(platter, "00000002.ndjson"), APPENDING)
    disk.abandon()
    os.fstat(other)
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(kept)
    os.close(other)


def run(loop, coroutine):
    with loop:
        task = loop.create_task(coroutine)
        while not task.done():
            assert loop.step()
        return task.result()


def loop(shuffle=0.0, seed=1):
    return SimLoop(Clock(1000.0), Random(seed), shuffle)


def test_time_passes_only_when_nothing_is_left_to_do():
    async def sleeps():
        before = asyncio.get_running_loop().time()
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time() - before

    assert run(loop(), sleeps()) == 3600


def test_a_deadline_ends_what_takes_longer():
    async def waits():
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.sleep(60)
        return asyncio.get_running_loop().time()

    assert run(loop(), waits()) == 5


def test_callbacks_keep_their_order_and_tasks_need_not():
    async def order():
        seen = []
        running = asyncio.get_running_loop()
        for number in range(5):
            running.call_soon(seen.append, number)
        await asyncio.sleep(1)
        plain, seen[:] = list(seen), []

        async def told(number):
            seen.append(number)

        await asyncio.gather(*(told(number) for number in range(6)))
        return plain, tuple(seen)

    told = [run(loop(1.0, seed), order()) for seed in range(20)]
    assert all(plain == [0, 1, 2, 3, 4] for plain, _ in told)
    assert len({tasks for _, tasks in told}) > 5
    assert run(loop(0.0), order())[1] == (0, 1, 2, 3, 4, 5)


def test_jobs_of_a_thread_are_done_in_their_order():
    async def jobs():
        done = []
        running = asyncio.get_running_loop()
        await asyncio.gather(*(running.run_in_executor(None, done.append, n) for n in range(9)))
        return done

    assert run(loop(), jobs()) == list(range(9))


def test_the_buried_do_nothing_more():
    seen = []

    async def lives():
        try:
            await asyncio.sleep(1)
        finally:
            seen.append("stirred")
            asyncio.get_running_loop().call_soon(seen.append, "acted")

    grave = loop()
    with grave:
        grave.create_task(lives())
        grave.step()
        grave.bury()
        assert not grave.step()
    assert seen == ["stirred"]
