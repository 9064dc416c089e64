"""Memory holds what it says it holds, and no more; it forgets what is over, purged or too much."""

import gc
import os
import tracemalloc

import pytest

from farthing.gateway.memory import Memory
from farthing.gateway.purges import Purge
from tests.unit.gateway.kept import kept, whose

MB = 1 << 20


def fresh(body):
    """An answer of which nothing is shared with another one, as sockets give them."""
    headers = [(os.urandom(10).hex().encode(), os.urandom(20).hex().encode()) for _ in range(12)]
    return kept(body, headers=headers)


def chunked(size, count):
    return tuple(os.urandom(size) for _ in range(count))


@pytest.mark.parametrize(
    "body",
    [lambda: os.urandom(60), lambda: os.urandom(9000), lambda: chunked(70, 120)],
    ids=["tiny", "long", "stream"],
)
def test_a_full_memory_takes_what_it_says_that_it_takes(body):
    gc.collect()
    tracemalloc.start()
    memory = Memory(4 * MB)
    before, _ = tracemalloc.get_traced_memory()
    while memory.used_bytes < 3.9 * MB:
        key = os.urandom(32)
        memory.put(key, fresh(body()))
        for _ in range(3):
            memory.get(key, 0)
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert 0.75 * memory.used_bytes < taken < 1.02 * memory.used_bytes


def test_an_answer_ends_with_its_time():
    memory = Memory(MB)
    memory.put(b"key", kept(until=100))
    assert memory.get(b"key", 99.9) is not None
    assert memory.get(b"key", 100) is None
    assert memory.used_bytes == 0


def test_a_lower_bound_takes_effect_at_once():
    memory = Memory(MB)
    for number in range(50):
        memory.put(b"%d" % number, kept(b"x" * 10_000))
    memory.resize(MB // 8)
    assert 0 < memory.used_bytes <= MB // 8


def test_what_is_purged_is_gone_and_the_rest_is_not():
    memory = Memory(MB)
    memory.put(b"mine", kept(of=whose("mine")))
    memory.put(b"theirs", kept(of=whose("theirs")))
    memory.forget(Purge(tenant="mine"))
    assert memory.get(b"mine", 0) is None
    assert memory.get(b"theirs", 0) is not None


def test_the_tallies_add_up_to_what_is_kept():
    memory = Memory(MB // 4)
    for number in range(400):
        memory.put(b"%d" % (number % 300), kept(b"x" * 3000, of=whose(f"t{number % 3}")))
        memory.get(b"%d" % (number % 7), 0)
    memory.forget(Purge(tenant="t1"))
    tallies = dict(memory.tallies.items())
    assert sum(each.entries for each in tallies.values()) == len(memory._kept)
    assert sum(each.bytes for each in tallies.values()) == sum(
        found.size for found, *_ in memory._kept.values()
    )
    assert tallies[whose("t1")].entries == 0
    assert sum(each.hits for each in tallies.values()) > 0
    assert all(each.saved_pico == each.hits * 10**10 for each in tallies.values())
