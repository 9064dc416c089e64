"""Kept answers are shown by tenant, memory and disk together."""

import os

from farthing.domain.money import Money
from farthing.gateway import tallies
from farthing.gateway.cachefile import FILE, CacheFile, Sealed
from farthing.gateway.memory import Memory
from farthing.ledger.state import State
from farthing.views.answers import by_tenant, kept
from tests.unit.gateway.kept import LATER, whose
from tests.unit.gateway.kept import kept as answer


def told(folder, state):
    memory = Memory(1 << 20)
    memory.put(b"1", answer(of=whose("a")))
    memory.put(b"2", answer(of=whose("a", customer="north")))
    memory.get(b"1", 0)
    tallies.write(state, tallies.taken(memory))
    file = CacheFile.open(folder)
    file.write([Sealed(b"p" * 16, whose("b"), LATER, 5, b"sealed")])
    file.close()


def test_each_tenant_is_one_line_with_all_that_is_its(tmp_path):
    state = State.open(tmp_path)
    told(tmp_path, state)
    a, b = by_tenant(kept(tmp_path, state, running=True))
    assert (a.tenant, a.memory_entries, a.disk_entries, a.hits) == ("a", 2, 0, 1)
    assert a.shown()["saved_usd"] == str(Money.of("0.01"))
    assert (b.tenant, b.memory_entries, b.disk_entries, b.hits) == ("b", 0, 1, 0)
    state.close()


def test_without_a_gateway_there_is_nothing_in_memory(tmp_path):
    state = State.open(tmp_path)
    told(tmp_path, state)
    rows = by_tenant(kept(tmp_path, state, running=False))
    assert sum(row.memory_entries + row.memory_bytes for row in rows) == 0
    assert sum(row.hits for row in rows) == 1
    state.close()


def test_a_file_that_cannot_be_read_holds_nothing(tmp_path):
    state = State.open(tmp_path)
    (tmp_path / FILE).write_bytes(os.urandom(9000))
    assert kept(tmp_path, state, running=False) == []
    state.close()
