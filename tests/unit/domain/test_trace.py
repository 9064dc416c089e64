"""Trace contexts are read as W3C has them, and our spans have the same ids at every telling."""

import pytest

from farthing.domain import trace

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CALL = "01a2131030c97d19916896fe5208ab53"


@pytest.mark.parametrize("more", ["", "-what-a-later-version-adds"])
def test_a_callers_trace_and_span_are_read(more):
    header = f" 00-{TRACE}-{PARENT}-01{more} ".encode()
    assert trace.parent_of(header) == (TRACE, f"{PARENT}-01")


@pytest.mark.parametrize(
    "header",
    [
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}",
        f"00-{TRACE[:-1]}-{PARENT}-01",
        f"00-{'x' * 32}-{PARENT}-01",
        "",
    ],
)
def test_what_is_no_trace_context_is_ignored(header):
    assert trace.parent_of(header.encode()) is None


def test_attempts_have_spans_of_their_own_that_never_change():
    ids = [trace.span_id(CALL, attempt) for attempt in range(5)]
    assert len(set(ids)) == 5
    assert all(len(each) == 16 and set(each) != {"0"} for each in ids)
    assert ids == [trace.span_id(CALL, attempt) for attempt in range(5)]


def test_a_provider_is_told_of_our_attempt_in_the_callers_trace():
    told = trace.traceparent(TRACE, f"{PARENT}-00", CALL, 2)
    assert trace.parent_of(told) == (TRACE, f"{trace.span_id(CALL, 2)}-00")
    own = trace.traceparent(None, None, CALL, 1)
    assert trace.parent_of(own) == (CALL, f"{trace.span_id(CALL, 1)}-01")


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("03", True)])
def test_the_callers_choice_whether_to_record_is_seen(flags, sampled):
    assert trace.is_sampled(f"{PARENT}-{flags}") is sampled
    assert trace.is_sampled(None)


@pytest.mark.parametrize("state", [None, b"", b" ", b"x" * 513, "a=ü".encode(), b"a=\x00"])
def test_a_state_that_cannot_be_passed_on_is_left_out(state):
    assert trace.state_of(state) is None
    assert trace.state_of(b" rojo=00f067aa0ba902b7 ") == "rojo=00f067aa0ba902b7"
