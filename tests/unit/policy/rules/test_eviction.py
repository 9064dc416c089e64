"""Memory never holds more than its bound, and gives up what saves least."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from farthing.policy.rules.eviction import OVERHEAD, Shelf

keys = st.integers(0, 12).map(lambda number: bytes([number]))
BOUND = 5 * (OVERHEAD + 500)


class ShelfAgainstItsDefinition(RuleBasedStateMachine):
    """The same operations on a shelf, and on a list that is searched from end to end."""

    def __init__(self) -> None:
        super().__init__()
        self.shelf = Shelf(BOUND)
        self.entries: dict[bytes, list[int]] = {}  # size, pico, hits, worth, stamp
        self.age = self.stamp = 0

    def value(self, key):
        size, pico, hits, *_ = self.entries[key]
        self.stamp += 1
        self.entries[key][3:] = [self.age + hits * pico // size, self.stamp]

    @rule(key=keys, size=st.integers(0, 1000), pico=st.integers(0, 10**6))
    def put(self, key, size, pico):
        gone = self.shelf.put(key, size, pico)
        self.entries.pop(key, None)
        expected = []
        self.entries[key] = [size + OVERHEAD, pico, 1, 0, 0]
        self.value(key)
        while sum(entry[0] for entry in self.entries.values()) > BOUND:
            least = min(self.entries, key=lambda one: tuple(self.entries[one][3:]))
            self.age = self.entries.pop(least)[3]
            expected.append(least)
        assert gone == expected

    @rule(key=keys)
    def hit(self, key):
        self.shelf.hit(key)
        if key in self.entries:
            self.entries[key][2] += 1
            self.value(key)

    @rule(key=keys)
    def drop(self, key):
        self.shelf.drop(key)
        self.entries.pop(key, None)

    @invariant()
    def holds_the_same_within_its_bound(self):
        assert self.shelf.used_bytes == sum(entry[0] for entry in self.entries.values())
        assert self.shelf.used_bytes <= BOUND
        assert len(self.shelf) == len(self.entries)
        assert all(key in self.shelf for key in self.entries)
        assert len(self.shelf._heap) <= 2 * len(self.entries) + 64 + 1


TestShelfAgainstItsDefinition = ShelfAgainstItsDefinition.TestCase
TestShelfAgainstItsDefinition.settings = settings(max_examples=25, stateful_step_count=30)


def test_what_is_too_large_for_all_memory_is_not_taken_in():
    shelf = Shelf(1000)
    shelf.put(b"small", 100, 5)
    assert shelf.put(b"large", 2000, 10**12) == [b"large"]
    assert b"small" in shelf


def test_a_dear_small_answer_outlives_cheap_large_ones():
    shelf = Shelf(20_000)
    shelf.put(b"dear", 300, 10**12)
    for number in range(100):
        shelf.put(b"cheap %d" % number, 5000, 10**6)
    assert b"dear" in shelf


def test_what_was_valuable_once_and_is_never_asked_for_goes_in_the_end():
    shelf = Shelf(10_000)
    shelf.put(b"once", 300, 10**9)
    for number in range(20_000):
        shelf.put(b"new %d" % number, 300, 10**8)
    assert b"once" not in shelf


@given(st.lists(keys, max_size=60))
def test_an_answer_of_unknown_price_is_the_first_to_go(puts):
    shelf = Shelf(3 * (OVERHEAD + 400))
    for key in puts:
        gone = shelf.put(key, 400, 10**15)
        assert key not in gone
    free = b"unpriced"
    shelf.put(free, 400, 0)
    for number in range(3):
        shelf.put(b"priced %d" % number, 400, 10**15)
    assert free not in shelf
