"""A limit lets no minute pass more than it says, gives back what was not used, forgets nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from farthing.domain.money import Money
from farthing.policy.policy import Limit
from farthing.policy.rules import limit as room
from farthing.policy.rules.limit import FREE, Limiter, Over

ME = {"key": "k1", "team": "search", "model": "m"}


def admitted(limiter, now, tokens=0, pico=0, facts=ME):
    found = limiter.admit(facts, now, tokens, pico)
    assert not isinstance(found, Over), found.reason
    return found


@given(st.lists(st.tuples(st.integers(0, 20_000), st.integers(1, 40)), max_size=80))
def test_no_sixty_seconds_let_more_through_than_the_limit(calls):
    limiter = Limiter([Limit(requests_per_minute=5, tokens_per_minute=100)])
    now, passed = 0.0, []
    for later, tokens in calls:
        now += later / 1000
        found = limiter.admit(ME, now, tokens)
        if isinstance(found, Over):
            assert 0 < found.wait <= 65
            continue
        passed.append((now, tokens))
        last = [tokens for when, tokens in passed if when > now - 60]
        assert len(last) <= 5
        assert sum(last) <= 100


@given(st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 60)), max_size=60))
def test_after_the_wait_that_it_named_the_call_goes_through(calls):
    now = 0.0
    limiter = Limiter([Limit(tokens_per_minute=100)])
    for later, tokens in calls:
        now += later / 1000
        found = limiter.admit(ME, now, tokens)
        if isinstance(found, Over):
            now += found.wait
            admitted(limiter, now, tokens)


def test_all_of_a_limit_may_come_at_once_and_then_no_more():
    limiter = Limiter([Limit(requests_per_minute=60)])
    for _ in range(60):
        admitted(limiter, 1000.0)
    over = limiter.admit(ME, 1001.0)
    assert isinstance(over, Over)
    assert "key 'k1'" in over.reason
    assert "requests_per_minute = 60" in over.reason
    assert "Try again in" in over.reason


def test_who_is_not_named_is_not_limited_and_others_have_a_count_of_their_own():
    limiter = Limiter([Limit(where="team=search", per="customer", concurrency=1)])
    assert limiter.admit(ME, 0) is FREE
    assert limiter.admit({**ME, "team": "other", "customer": "a"}, 0) is FREE
    admitted(limiter, 0, facts={**ME, "customer": "a"})
    admitted(limiter, 0, facts={**ME, "customer": "b"})
    assert isinstance(limiter.admit({**ME, "customer": "a"}, 0), Over)


def test_tags_are_counted_by_their_name():
    limiter = Limiter([Limit(per="tags.job", concurrency=1)])
    admitted(limiter, 0, facts={**ME, "job": "nightly"})
    assert isinstance(limiter.admit({**ME, "job": "nightly"}, 0), Over)


def test_a_call_that_ended_makes_room_once():
    limiter = Limiter([Limit(concurrency=1)])
    first = admitted(limiter, 0)
    assert isinstance(limiter.admit(ME, 0), Over)
    limiter.settle(first, 1, 0, 0)
    limiter.settle(first, 1, 0, 0)
    admitted(limiter, 1)
    assert isinstance(limiter.admit(ME, 1), Over)


def test_what_a_call_did_not_use_is_given_back_and_what_it_used_more_counts():
    limiter = Limiter([Limit(tokens_per_minute=100, usd_per_minute=Money.of("0.01"))])
    cent = Money.of("0.01").pico
    call = admitted(limiter, 0, 100, cent)
    assert isinstance(limiter.admit(ME, 1, 1, 0), Over)
    limiter.settle(call, 2, 30, 0)
    call = admitted(limiter, 3, 70, 0)
    limiter.settle(call, 4, 70, cent)
    assert "usd_per_minute" in limiter.admit(ME, 5, 0, 0).reason or "tokens" in (
        limiter.admit(ME, 5, 0, 0).reason
    )


def test_a_call_larger_than_the_limit_runs_alone():
    limiter = Limiter([Limit(tokens_per_minute=100)])
    admitted(limiter, 0, 5000)
    over = limiter.admit(ME, 1, 5000)
    assert isinstance(over, Over)
    admitted(limiter, 1 + over.wait, 5000)


def test_a_refused_call_counts_under_no_limit():
    limiter = Limiter([Limit(requests_per_minute=10), Limit(concurrency=1)])
    first = admitted(limiter, 0)
    for _ in range(20):
        assert isinstance(limiter.admit(ME, 0), Over)
    limiter.settle(first, 0, 0, 0)
    admitted(limiter, 0)


def test_in_shadow_a_limit_only_tells():
    limiter = Limiter([Limit(requests_per_minute=1, mode="shadow")])
    assert admitted(limiter, 0).shadows == []
    assert "requests_per_minute = 1" in admitted(limiter, 0).shadows[0]


def test_what_a_limit_in_shadow_would_refuse_does_not_count():
    """Twice what is allowed: on, half is refused; so in shadow half is told."""
    limiter = Limiter([Limit(requests_per_minute=10, mode="shadow")])
    told = [bool(admitted(limiter, 3.0 * n).shadows) for n in range(400)]
    assert 0.4 < sum(told) / len(told) < 0.6


def test_off_a_limit_looks_at_nothing():
    assert Limiter([Limit(requests_per_minute=1, mode="off")]).admit(ME, 0) is FREE


def test_a_limit_of_nothing_refuses():
    limiter = Limiter([Limit(usd_per_minute=Money.ZERO)])
    assert isinstance(limiter.admit(ME, 0, 0, 5), Over)


def test_a_key_brings_limits_of_its_own():
    limiter = Limiter((), {"k1": Limit(requests_per_minute=1)})
    admitted(limiter, 0)
    assert isinstance(limiter.admit(ME, 0), Over)
    assert limiter.admit({**ME, "key": "k2"}, 0) is FREE


def test_counts_outlive_a_policy_that_leaves_their_limit_as_it_was():
    one, two = Limit(requests_per_minute=1), Limit(requests_per_minute=1, per="team")
    own = {"k1": Limit(concurrency=5)}
    before = Limiter([one], own)
    admitted(before, 0)
    assert isinstance(Limiter([two, one], own, before).admit(ME, 1), Over)
    assert not isinstance(Limiter([two], own, before).admit(ME, 1), Over)


def test_subjects_are_bounded_but_none_with_a_call_in_flight_is_forgotten(monkeypatch):
    monkeypatch.setattr(room, "MOST_SUBJECTS", 10)
    limiter = Limiter([Limit(concurrency=1, requests_per_minute=100)])
    held = admitted(limiter, 0, facts={"key": "held"})
    for number in range(500):
        limiter.settle(admitted(limiter, 0, facts={"key": f"k{number}"}), 0, 0, 0)
    assert len(limiter._rules[0].subjects) <= 11
    assert isinstance(limiter.admit({"key": "held"}, 0), Over)
    limiter.settle(held, 0, 0, 0)
