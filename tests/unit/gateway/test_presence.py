"""What is there is always found; what is not, hardly ever."""

import os

from hypothesis import given
from hypothesis import strategies as st

from farthing.gateway.presence import Presence

few = st.integers(0, 40).map(lambda number: bytes([0, 0, 0, number, 7]))


@given(st.lists(st.tuples(st.booleans(), few), max_size=200))
def test_it_knows_all_that_were_added_and_not_dropped(steps):
    presence, model = Presence(), []
    for add, place in steps:
        if add:
            presence.add(place)
            model.append(place)
        elif place in model:
            presence.drop(place)
            model.remove(place)
    for place in {place for _, place in steps}:
        assert (place in presence) is (place in model)


def test_a_slot_that_was_full_says_yes_for_good():
    presence, place = Presence(), b"0123"
    for _ in range(1000):
        presence.add(place)
    for _ in range(1000):
        presence.drop(place)
    assert place in presence


def test_few_absent_ones_look_present():
    presence = Presence(os.urandom(16) for _ in range(100_000))
    wrong = sum(os.urandom(16) in presence for _ in range(10_000))
    assert wrong < 400
