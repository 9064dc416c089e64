"""Durations are counted where they belong, and add up."""

from hypothesis import given
from hypothesis import strategies as st

from farthing.gateway.timings import Timings


@given(st.lists(st.floats(-1, 10_000), min_size=1))
def test_a_bound_counts_all_that_took_no_longer(seconds):
    timings = Timings()
    for each in seconds:
        timings.add("x", each)
    ((label, bounds, total),) = timings.read()
    assert label == "x"
    assert bounds[-1] == (float("inf"), len(seconds))
    for upper, count in bounds:
        # Whole microseconds are counted: what takes exactly a bound may stand above it.
        assert sum(each < upper - 1e-6 for each in seconds) <= count
        assert count <= sum(each <= upper for each in seconds)
    assert abs(total - sum(max(each, 0) for each in seconds)) <= 1e-6 * len(seconds) + 1e-3
