"""What every protocol promises, as checks that its author runs over samples of its own.

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_my_protocol_keeps_its_promises(check):
        check(PROTOCOL, Sample(request=b'{"model": …}', answers=(b'{"usage": …}',)))

A check raises AssertionError, in words, where a promise is broken.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from farthing.domain.errors import BadInput
from farthing.domain.usage import Usage
from farthing.providers.protocol import Ask, Change, Protocol, Refusal
from farthing.providers.reading import Reading

CUTS = 120  # ways to cut a long answer in two
GARBLINGS = 60
NO_OBJECT = (
    b"", b"{", b"[]", b"null", b"1", b'"x"', b"\xff\xfe", b"\x00", b'{"a": \xff}',
    b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
)  # fmt: skip
ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1.5, 10**30, "", "x", [], [[]], [1], ["x"], {}, {"a": 1}, [{"type": 1}],
    [{"type": "x", "content": None}],
)  # fmt: skip
_RAW = (b"1e999", b"NaN", b"-Infinity", b'"\\ud800"')
REFUSAL = Refusal(
    status=429, code="budget_exhausted", message='Budget "search" is spent until 1 December.'
)
STATUSES = (400, 401, 403, 404, 408, 413, 415, 422, 429, 431, 500, 502, 503, 504)


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """A request, and whole answers to it as a provider sends them.

    `model` and `stream` are what the path says, where it does. `shape` raises where an error body
    is none that the vendor's own clients understand.
    """

    request: bytes
    answers: tuple[bytes, ...] = ()
    model: str | None = None
    stream: bool = False
    shape: Callable[[Any], object] | None = None


Check = Callable[[Protocol, Sample], None]


def it_reads_its_own_request(protocol: Protocol, sample: Sample) -> None:
    ask = _read(protocol, sample, sample.request)
    assert ask.protocol == protocol.name, f"the ask names {ask.protocol!r}"
    assert ask.model, "the ask names no model"
    assert ask.choices >= 1, f"{ask.choices} choices"
    assert isinstance(ask.prefix(), bytes), "the prefix is no bytes"
    ask.turns()


def it_refuses_what_is_no_json_object(protocol: Protocol, sample: Sample) -> None:
    for body in NO_OBJECT:
        said = _refused(protocol, sample, body)
        assert said is not None, f"{body[:20]!r} was read as a request"
        assert said.strip(), f"{body[:20]!r} is refused without a word"


def it_reads_or_refuses_any_type_in_any_field(protocol: Protocol, sample: Sample) -> None:
    """Nothing but BadInput, and what was read can be changed."""
    for body in _with_odd_fields(sample.request):
        try:
            ask = _read(protocol, sample, body)
        except BadInput:
            continue
        ask.prefix()
        ask.turns()
        change = Change(model="b", output_cap=1, include_usage=True, rewrite=ask.rewrite)
        msgspec.json.decode(protocol.change(body, change), type=dict[str, msgspec.Raw])


def it_changes_what_it_is_told_and_nothing_else(protocol: Protocol, sample: Sample) -> None:
    before, ask = sample.request, _read(protocol, sample, sample.request)
    same = protocol.change(before, Change(rewrite=ask.rewrite))
    assert _decoded(same) == _decoded(before), "a change of nothing changes something"
    moved = protocol.change(before, Change(model="another", rewrite=ask.rewrite))
    kept = {name: value for name, value in _decoded(before).items() if name != "model"}
    left = {name: value for name, value in _decoded(moved).items() if name != "model"}
    if sample.model is None and "model" in _decoded(before):
        assert _read(protocol, sample, moved).model == "another", "the model was not changed"
        assert left == kept, "beside the model, something else changed"
    if ask.has_output and ask.operation is not None:
        capped = protocol.change(before, Change(output_cap=7, rewrite=ask.rewrite))
        assert _read(protocol, sample, capped).output_cap == 7, "the cap was not set"  # noqa: PLR2004
    if ask.stream and not ask.usage_asked:
        asked = protocol.change(before, Change(include_usage=True, rewrite=ask.rewrite))
        assert _read(protocol, sample, asked).usage_asked, "usage was not asked for"


def it_meters_the_same_however_an_answer_is_cut(protocol: Protocol, sample: Sample) -> None:
    for answer in sample.answers:
        for strip in (False, True):
            whole = _metered(protocol, sample, [answer], strip=strip)
            assert strip or whole[0] == answer, "bytes were lost or added on the way"
            for chunks in _cuts(answer):
                found = _metered(protocol, sample, chunks, strip=strip)
                sizes = [len(chunk) for chunk in chunks[:3]]
                assert found == whole, f"cut into {sizes} …: {found[1:]} is not {whole[1:]}"


def it_never_raises_over_an_answer(protocol: Protocol, sample: Sample) -> None:
    """Garbage is flagged, and passes; totals are never below zero."""
    draw = random.Random(7)
    for answer in (*sample.answers, b"", b"\xff" * 99, b"data: {\n\n", b'{"usage": []}'):
        for _ in range(GARBLINGS):
            bytes_ = bytearray(answer)
            for _ in range(min(len(bytes_), 3)):
                bytes_[draw.randrange(len(bytes_))] = draw.randrange(256)
            garbled = bytes(bytes_)
            passed, _, _, seen, flags = _metered(protocol, sample, [garbled], strip=False)
            assert passed == garbled, "bytes were lost or added on the way"
            assert min(seen.input_tokens, seen.output_tokens) >= 0, f"below zero: {seen}"
            assert all(flag.isidentifier() for flag in flags), f"flags are words: {flags}"


def it_knows_a_whole_answer_and_what_it_used(protocol: Protocol, sample: Sample) -> None:
    for answer in sample.answers:
        _, complete, reading, _, _ = _metered(protocol, sample, [answer], strip=False)
        assert complete, f"this is whole, and was not taken for it: {answer[:60]!r}"
        operation = _read(protocol, sample, sample.request).operation
        assert operation is None or reading is not None, f"no usage was read: {answer[:60]!r}"


def it_ends_a_stream_that_breaks_off(protocol: Protocol, sample: Sample) -> None:
    ask = _read(protocol, sample, sample.request)
    for answer in sample.answers:
        meter = protocol.meter(ask, strip_usage=False)
        meter.feed(answer[: len(answer) // 2])
        meter.feed(b"")
        assert meter.seen().output_tokens >= 0, "fewer than no tokens passed"
        if ask.stream:
            ending = meter.broken(REFUSAL)
            assert REFUSAL.code.encode() in ending, "the error does not name its code"
            assert ending.endswith(b"\n\n"), "an event ends with a blank line"


def it_refuses_in_the_vendors_words(protocol: Protocol, sample: Sample) -> None:
    for status in STATUSES:
        body = protocol.refusal(msgspec.structs.replace(REFUSAL, status=status))
        told = msgspec.json.decode(body)
        assert isinstance(told, dict), "an error is a JSON object"
        assert REFUSAL.code.encode() in body, f"the error of {status} does not name its code"
        assert REFUSAL.message in _texts(told), f"the error of {status} does not say its message"
        if sample.shape is not None:
            sample.shape(told)


CHECKS: tuple[Check, ...] = (
    it_reads_its_own_request,
    it_refuses_what_is_no_json_object,
    it_reads_or_refuses_any_type_in_any_field,
    it_changes_what_it_is_told_and_nothing_else,
    it_meters_the_same_however_an_answer_is_cut,
    it_never_raises_over_an_answer,
    it_knows_a_whole_answer_and_what_it_used,
    it_ends_a_stream_that_breaks_off,
    it_refuses_in_the_vendors_words,
)


def _read(protocol: Protocol, sample: Sample, body: bytes) -> Ask:
    return protocol.read(body, sample.model, stream=sample.stream)


def _refused(protocol: Protocol, sample: Sample, body: bytes) -> str | None:
    try:
        _read(protocol, sample, body)
    except BadInput as error:
        return str(error)
    return None


def _decoded(body: bytes) -> dict[str, Any]:
    return msgspec.json.decode(body, type=dict[str, Any])


_Metered = tuple[bytes, bool, Reading | None, Usage, tuple[str, ...]]


def _metered(
    protocol: Protocol, sample: Sample, chunks: Sequence[bytes], *, strip: bool
) -> _Metered:
    meter = protocol.meter(_read(protocol, sample, sample.request), strip_usage=strip)
    passed = [meter.feed(chunk) for chunk in chunks if chunk]
    passed.append(meter.feed(b""))
    return b"".join(passed), meter.complete, meter.reading(), meter.seen(), meter.flags


def _cuts(answer: bytes) -> Iterator[list[bytes]]:
    """At every byte, at many a place, and in a few at random."""
    yield [answer[at : at + 1] for at in range(len(answer))]
    for at in range(0, len(answer), max(1, len(answer) // CUTS)):
        yield [answer[:at], answer[at:]]
    draw = random.Random(7)
    for _ in range(20):
        places = sorted(draw.randrange(len(answer) + 1) for _ in range(8))
        yield [answer[a:b] for a, b in pairwise([0, *places, len(answer)])]


def _with_odd_fields(body: bytes) -> Iterator[bytes]:
    """The body with something odd for each field, and for each field in one of its objects."""
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    values = [*map(msgspec.json.encode, ODD), *_RAW]
    for name, own in fields.items():
        inner = msgspec.json.decode(own)
        for value in values:
            yield _spliced({**fields, name: msgspec.Raw(value)})
            if isinstance(inner, dict):
                for within in inner:
                    odd = {**{k: msgspec.json.encode(v) for k, v in inner.items()}, within: value}
                    put = _spliced({k: msgspec.Raw(v) for k, v in odd.items()})
                    yield _spliced({**fields, name: msgspec.Raw(put)})


def _spliced(fields: dict[str, msgspec.Raw]) -> bytes:
    pairs = [b"%b:%b" % (msgspec.json.encode(name), bytes(raw)) for name, raw in fields.items()]
    return b"{" + b",".join(pairs) + b"}"


def _texts(value: object) -> set[str]:
    """Every text in a JSON value."""
    if isinstance(value, dict):
        return set().union(*(_texts(each) for each in value.values()))
    if isinstance(value, list):
        return set().union(*(_texts(each) for each in value))
    return {value} if isinstance(value, str) else set()
