"""A minute's sum is never too low, at most five seconds too old, and waits are right."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from farthing.policy.rules.minute import SLOT_SECONDS, Minute
from farthing.policy.rules.recent import Recent

steps = st.lists(st.tuples(st.integers(0, 90_000), st.integers(0, 100)), min_size=1, max_size=60)


def played(steps):
    """A minute that went through `steps` of (milliseconds later, amount), and what came when."""
    minute, now, came = Minute(), 0, []
    for later, amount in steps:
        now += later
        minute.add(now / 1000, amount)
        came.append((now / 1000, amount))
    return minute, came, now / 1000


@given(steps)
def test_the_sum_is_that_of_the_last_minute_and_not_much_more(steps):
    minute, came, now = played(steps)
    exact = sum(amount for when, amount in came if when > now - 60)
    longer = sum(amount for when, amount in came if when > now - 60 - SLOT_SECONDS)
    assert exact <= minute.total(now) <= longer


@given(steps, st.integers(0, 200))
def test_after_the_wait_there_is_room_and_before_there_is_none(steps, room):
    minute, _, now = played(steps)
    wait = minute.wait(now, room)
    if wait > 0:
        assert minute.total(now) > room
        before = now + wait - 0.001
        assert before < now or minute.total(before) > room
    assert minute.total(now + wait) <= room


@given(steps, st.data())
def test_a_correction_leaves_what_would_have_been_added(steps, data):
    known, corrected, now = Minute(), Minute(), 0.0
    came = []
    for later, estimate in steps:
        now += later / 1000
        actual = data.draw(st.integers(0, 100))
        known.add(now, actual)
        corrected.add(now, estimate)
        came.append((now, actual - estimate))
    for then, difference in came:
        if now - then < 60:
            corrected.correct(then, now, difference)
    within = [then for then, _ in came if now - then < 60]
    if len(within) == len(came):
        assert corrected.total(now) == known.total(now)
    corrected.total(now + 200)
    assert corrected.total(now + 200) == 0


def test_what_turns_out_dearer_after_a_minute_counts_now():
    minute = Minute()
    minute.add(0, 5)
    minute.correct(0, 300, -5)
    assert minute.total(300) == 0
    minute.correct(0, 300, 7)
    assert minute.total(300) == 7


@given(st.lists(st.integers(0, 20)), st.integers(1, 5))
def test_a_bounded_table_keeps_the_last_used(keys, most):
    table: Recent[int, int] = Recent(most)
    used: list[int] = []
    for key in keys:
        if table.get(key) is None:
            table.put(key, key)
        used = [*(one for one in used if one != key), key][-most:]
        assert len(table) == len(used)
    assert all(table.get(key) == key for key in used)


def test_busy_entries_outlive_the_bound():
    table: Recent[int, bool] = Recent(2, busy=lambda busy: busy)
    for key in range(4):
        table.put(key, True)
    assert len(table) == 4
    table.put(9, False)
    table.put(10, True)
    assert table.get(9) is None
    assert table.get(0) is True
