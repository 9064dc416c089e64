"""Golden answers: however they are cut, the same reading and the same bytes for the caller."""

from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.domain.usage import Usage
from farthing.providers.protocol import Ask, Refusal

CASES = yaml.safe_load((Path(__file__).parents[3] / "golden" / "streams.yaml").read_text("utf-8"))
EVERY_CUT = 250  # ways to cut a long answer in two
golden = pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])


def protocol(case):
    return import_module(f"farthing.providers.protocols.{case['protocol']}").PROTOCOL


def fed(case, chunks):
    meter = protocol(case).meter(
        Ask(protocol=case["protocol"], operation="chat", model="m"),
        strip_usage=case.get("strip", False),
    )
    passed = b"".join([meter.feed(chunk) for chunk in chunks if chunk] + [meter.feed(b"")])
    return meter, passed


def outcome(case, chunks):
    meter, passed = fed(case, chunks)
    return passed, meter.complete, meter.reading(), meter.seen(), meter.flags


def sent_and_due(case, newline=b"\n"):
    sent = case["sent"].encode().replace(b"\n", newline)
    return sent, sent.replace(case.get("without", "\0").encode().replace(b"\n", newline), b"")


def usage(counts, details=()):
    return Usage(**counts, **({"details": details} if details else {}))


@golden
def test_an_answer_is_read_and_passed_on(case):
    sent, due = sent_and_due(case)
    meter, passed = fed(case, [sent])
    assert passed == due
    assert meter.complete == case.get("complete", True)
    reading = meter.reading()
    if "usage" in case:
        assert reading is not None
        assert reading.usage == usage(case["usage"], case.get("details"))
        assert (reading.model, reading.response_id) == (case["model"], case.get("id"))
        assert reading.context == case.get("context", {})
        assert reading.reported_usd == case.get("reported_usd")
    else:
        assert reading is None
    if "seen" in case:
        assert meter.seen() == usage(case["seen"])
    assert list(meter.flags) == case.get("flags", [])


@golden
def test_chunks_may_end_anywhere(case):
    for newline in (b"\n", b"\r\n"):
        sent, due = sent_and_due(case, newline)
        expected = outcome(case, [sent])
        assert expected[0] == due
        assert outcome(case, [sent[at : at + 1] for at in range(len(sent))]) == expected
        for at in range(0, len(sent), max(1, len(sent) // EVERY_CUT)):
            assert outcome(case, [sent[:at], sent[at:]]) == expected


@given(
    case=st.sampled_from(CASES),
    cuts=st.lists(st.integers(0, 3000), max_size=12),
    newline=st.sampled_from([b"\n", b"\r\n"]),
)
@settings(max_examples=200, deadline=None)
def test_any_number_of_cuts_is_the_same(case, cuts, newline):
    sent, _ = sent_and_due(case, newline)
    places = [0, *sorted(cuts), len(sent)]
    chunks = [sent[a:b] for a, b in pairwise(places)]
    assert outcome(case, chunks) == outcome(case, [sent])


@given(
    case=st.sampled_from(CASES),
    noise=st.lists(st.tuples(st.integers(0, 3000), st.binary(max_size=6)), max_size=5),
    strip=st.booleans(),
    size=st.integers(1, 900),
)
@settings(max_examples=150, deadline=None)
def test_no_garbage_raises_and_nothing_is_lost_on_the_way(case, noise, strip, size):
    sent = case["sent"].encode()
    for at, bytes_ in noise:
        sent = sent[:at] + bytes_ + sent[at + 1 :]
    chunks = [sent[at : at + size] for at in range(0, len(sent), size)]
    passed, *_, flags = outcome({**case, "strip": strip}, chunks)
    assert isinstance(flags, tuple)
    if not strip:
        assert passed == sent


@golden
def test_a_whole_event_is_never_held_back(case):
    sent, _ = sent_and_due(case)
    if sent[:1] in b"{[<" or not sent.endswith(b"\n\n"):
        return
    meter, given_so_far = fed({**case, "strip": False}, []), b""
    meter = protocol(case).meter(
        Ask(protocol=case["protocol"], operation="chat", model="m"), strip_usage=True
    )
    for event in sent.split(b"\n\n")[:-1]:
        given_so_far = meter.feed(event + b"\n\n")
        assert given_so_far in {event + b"\n\n", b""}


def test_an_event_without_end_is_bounded():
    chat = import_module("farthing.providers.protocols.openai_chat").PROTOCOL
    meter = chat.meter(Ask(protocol="x", operation="chat", model="m"), strip_usage=True)
    chunk, sent, passed = b"data: " + b"x" * (1 << 20), 0, 0
    for _ in range(20):
        sent += len(chunk)
        passed += len(meter.feed(chunk))
    assert meter.flags == ("overlong_answer",)
    assert passed == sent
    assert meter.reading() is None


def test_a_body_without_end_is_bounded():
    chat = import_module("farthing.providers.protocols.openai_chat").PROTOCOL
    meter = chat.meter(Ask(protocol="x", operation="chat", model="m"), strip_usage=True)
    meter.feed(b"{")
    for _ in range(20):
        meter.feed(b" " * (1 << 20))
    assert not meter.complete
    assert meter.flags == ("overlong_answer",)


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("openai_chat", b'data: {"error":{'),
        ("openai_completions", b'data: {"error":{'),
        ("openai_responses", b'event: error\ndata: {"type":"error"'),
        ("anthropic_messages", b'event: error\ndata: {"type":"error","error":{'),
        ("gemini_generate", b'data: {"error":{'),
        ("openai_embeddings", b""),
    ],
)
def test_a_stream_that_broke_ends_with_an_error_of_its_protocol(name, start):
    meter, _ = fed({"protocol": name}, [])
    ending = meter.broken(Refusal(status=502, code="upstream_lost", message='It "broke".'))
    assert ending.startswith(start)
    assert not start or (ending.endswith(b"\n\n") and b"upstream_lost" in ending)
