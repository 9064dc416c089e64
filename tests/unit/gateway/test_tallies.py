"""What memory saved of whom is told to others, and counted on after a restart."""

from farthing.domain.money import Money
from farthing.gateway import tallies
from farthing.gateway.memory import Memory
from farthing.ledger.state import State
from tests.unit.gateway.kept import kept, whose

MB = 1 << 20


def served(memory, number, times):
    memory.put(b"%d" % number, kept(b"", of=whose(f"t{number}")))
    for _ in range(times):
        memory.get(b"%d" % number, 0)


def test_a_new_start_counts_on_from_where_the_last_one_ended(tmp_path):
    state, memory, again = State.open(tmp_path), Memory(MB), Memory(MB)
    served(memory, 1, 3)
    tallies.write(state, tallies.taken(memory))
    tallies.restore(state, again)
    served(again, 1, 2)
    (row,) = tallies.taken(again)
    assert (row.entries, row.hits, row.saved) == (1, 5, Money.of("0.05"))
    state.close()


def test_those_that_saved_little_are_told_as_one(tmp_path, monkeypatch):
    monkeypatch.setattr(tallies, "MOST", 3)
    state, memory = State.open(tmp_path), Memory(MB)
    for number in range(10):
        served(memory, number, number)
    tallies.write(state, tallies.taken(memory))
    told = tallies.read(state)
    assert [row.whose.tenant for row in told] == ["t9", "t8", "t7", "(others)"]
    assert sum(row.entries for row in told) == 10
    assert sum(row.hits for row in told) == 45
    assert Money.sum(row.saved for row in told) == Money.of("0.45")
    state.close()
