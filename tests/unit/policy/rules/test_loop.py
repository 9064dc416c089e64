"""An agent that runs in circles is seen, told why, and let go once it stops."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from farthing.domain.money import Money
from farthing.policy.amounts import Share, Stretch
from farthing.policy.policy import DEFAULT, Loop
from farthing.policy.rules.loop import LONGEST_THROTTLE, OK, LoopGuard
from farthing.providers.protocol import Ask, Turns

SESSION = {"session_id": "s1", "team": "search"}
ASK = Ask(protocol="openai_chat", operation="chat", model="m")
CALL, OTHER = b"a" * 32, b"b" * 32


def look(guard, now=0.0, digest=CALL, ask=ASK, size=100, facts=SESSION):
    return guard.observe(facts, now, digest, ask, size)


@given(st.lists(st.integers(0, 40_000), max_size=60), st.integers(2, 5))
def test_the_nth_equal_call_within_the_window_is_stopped_and_no_other(gaps, most):
    guard = LoopGuard([Loop(same_call=most, within=Stretch(60))])
    now, times = 0.0, []
    for gap in gaps:
        now += gap / 1000
        times.append(now)
        repeated = sum(now - when <= 60 for when in times) >= most
        assert (look(guard, now).action == "stop") == repeated


@given(st.lists(st.binary(min_size=8, max_size=8), unique=True, max_size=100))
def test_calls_that_differ_are_no_loop(digests):
    guard = LoopGuard([Loop(same_call=2)])
    assert all(look(guard, digest=digest) is OK for digest in digests)


def test_the_reason_says_what_was_seen_and_how_to_go_on():
    guard = LoopGuard([Loop(same_call=2)])
    look(guard)
    reason = look(guard).reason
    for words in ("Session 's1'", "the same call 2 times within 5m", "x-farthing-session"):
        assert words in reason
    assert "raise same_call" in reason


def test_sessions_do_not_know_each_other_and_none_is_no_session():
    guard = LoopGuard([Loop(same_call=2)])
    look(guard)
    assert look(guard, facts={"session_id": "s2"}) is OK
    assert look(guard, facts={"session_id": None}) is look(guard, facts={}) is OK
    assert look(guard, digest=OTHER) is OK


def test_a_rule_may_count_by_key_and_look_at_some_calls_only():
    guard = LoopGuard([Loop(same_call=2, per="key", where="team=search")])
    for _ in range(5):
        assert look(guard, facts={"key": "k", "team": "other"}) is OK
    look(guard, facts={"key": "k", "team": "search"})
    assert look(guard, facts={"key": "k", "team": "search"}).action == "stop"


def test_by_default_a_loop_is_only_counted():
    guard = LoopGuard(DEFAULT.loops)
    found = [look(guard, now).action for now in range(50)]
    assert found == ["ok"] * 49 + ["shadow"]


def test_spending_fast_stops_a_session_for_as_long_as_it_is_fast():
    guard = LoopGuard([Loop(same_call=0, usd_per_minute=Money.of(1))])
    guard.spent(SESSION, 0.0, Money.of("0.99").pico)
    assert look(guard, 1.0) is OK
    guard.spent(SESSION, 1.0, Money.of("0.01").pico)
    assert "spent $1 within a minute" in look(guard, 2.0).reason
    assert look(guard, 2.0, facts={"session_id": "s2"}) is OK
    assert look(guard, 70.0) is OK


def test_a_context_that_grew_is_seen_unless_it_is_still_small():
    guard = LoopGuard([Loop(same_call=0, context_growth=10, min_context_kb=64)])
    assert look(guard, size=2_000) is OK
    assert look(guard, size=60_000) is OK
    assert look(guard, size=66_000).action == "stop"
    large = {"session_id": "large from the start"}
    assert look(guard, size=200_000, facts=large) is OK
    assert look(guard, size=900_000, facts=large) is OK


def test_tools_that_mostly_fail_are_seen_once_there_are_enough():
    guard = LoopGuard([Loop(same_call=0, tool_error_ratio=Share.of("50%"), min_tools=10)])

    def asked(results, errors):
        turns = Turns(tool_results=results, tool_errors=errors)
        return Ask(protocol="p", operation="chat", model="m", turns=lambda: turns)

    assert look(guard, ask=asked(9, 9)) is OK
    assert look(guard, ask=asked(10, 4)) is OK
    assert "5 of 10 tool calls fail" in look(guard, ask=asked(10, 5)).reason


def test_a_throttle_spreads_the_calls_over_the_window_and_never_waits_long():
    guard = LoopGuard([Loop(same_call=30, action="throttle")])
    for _ in range(29):
        look(guard)
    assert (look(guard).action, look(guard).seconds) == ("throttle", 10.0)
    guard = LoopGuard([Loop(same_call=2, action="throttle")])
    look(guard)
    assert look(guard).seconds == LONGEST_THROTTLE


def test_the_hardest_rule_has_the_word():
    guard = LoopGuard([Loop(same_call=2), Loop(same_call=2, mode="shadow")])
    look(guard)
    assert look(guard).action == "stop"


def test_what_is_remembered_outlives_a_policy_that_leaves_the_rule_as_it_was():
    rule = Loop(same_call=2)
    before = LoopGuard([rule])
    look(before)
    assert look(LoopGuard([Loop(same_call=3), rule], before)).action == "stop"


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 20_000))))
def test_the_same_calls_get_the_same_verdicts_again(calls):
    def verdicts():
        guard, now, found = LoopGuard([Loop(same_call=3, within=Stretch(30))]), 0.0, []
        for session, call, later in calls:
            now += later / 1000
            facts = {"session_id": str(session)}
            found.append(look(guard, now, digest=bytes([call]), facts=facts))
        return found

    assert verdicts() == verdicts()
