"""A failed call is tried again where that may help, and never so often as to bury a provider."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.policy.amounts import Share
from farthing.policy.policy import Retry
from farthing.policy.rules.retry import Retries


def again(retries, failure=503, made=1, now=0.0, jitter=1.0, elsewhere=False, retry_after=None):
    return retries.again(failure, made, now, jitter, elsewhere=elsewhere, retry_after=retry_after)


@pytest.mark.parametrize("failure", [429, 500, 503, 529, "not_sent", "lost"])
def test_what_another_try_may_mend_is_tried_again(failure):
    assert again(Retries(Retry()), failure) is not None


@pytest.mark.parametrize("failure", [400, 401, 404, 422])
def test_what_is_the_callers_fault_is_not(failure):
    assert again(Retries(Retry()), failure) is None


def test_an_answer_that_may_have_been_paid_for_is_tried_again_only_if_wanted():
    assert again(Retries(Retry(lost=False)), "lost") is None
    assert again(Retries(Retry(lost=False)), "not_sent") is not None


def test_there_are_no_more_attempts_than_written():
    retries = Retries(Retry(attempts=2))
    assert [again(retries, made=made) is not None for made in (1, 2, 3)] == [True, True, False]
    assert again(Retries(Retry(attempts=0))) is None


def test_another_target_is_tried_at_once_and_the_same_one_after_a_growing_pause():
    retries = Retries(Retry(attempts=9))
    assert again(retries, elsewhere=True) == 0
    assert [again(retries, made=made) for made in (1, 2, 3)] == [0.25, 0.5, 1.0]
    assert again(retries, jitter=0.0) == 0.125


def test_a_provider_that_names_a_time_is_waited_for_within_reason():
    retries = Retries(Retry(max_wait_seconds=8))
    assert again(retries, 429, retry_after=3.0) == 3.0
    assert again(retries, 429, retry_after=9.0) is None
    assert again(retries, 429, retry_after=9.0, elsewhere=True) == 0


@given(
    st.lists(st.tuples(st.integers(0, 3000), st.booleans()), max_size=150),
    st.integers(0, 5),
    st.integers(0, 10_000),
)
def test_no_minute_has_more_retries_than_the_budget(events, floor, parts):
    retries = Retries(Retry(floor=floor, budget=Share(parts)))
    now, calls, granted = 0.0, [], []
    for later, fails in events:
        now += later / 1000
        retries.began(now)
        calls.append(now)
        if fails and again(retries, now=now) is not None:
            granted.append(now)
            recent = sum(when > now - 60 for when in granted)
            lately = sum(when > now - 65 for when in calls)
            assert recent <= max(floor, lately * parts // 10_000)


def test_a_floor_lets_the_few_calls_of_a_small_place_be_tried_again():
    retries = Retries(Retry(floor=3))
    assert [again(retries) is not None for _ in range(4)] == [True, True, True, False]
