"""The conformance suite of protocols finds what is broken: each promise, broken once."""

import pytest

from farthing.providers.protocols.openai_chat import PROTOCOL as CHAT
from farthing.testing import protocols as suite

SAMPLE = suite.Sample(
    request=b'{"model":"m","messages":[{"role":"user","content":"Hi"}],"max_tokens":9}',
    answers=(
        b'{"id":"c","model":"m","choices":[{"index":0,"message":{"content":"Hi"}}],'
        b'"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}',
    ),
)


class Own:
    """Chat completions under a name of its own."""

    name = "own"

    def read(self, body, model, *, stream):
        ask = CHAT.read(body, model, stream=stream)
        ask.protocol = self.name
        return ask

    def change(self, body, change):
        return CHAT.change(body, change)

    def meter(self, ask, *, strip_usage, provider=None):
        return CHAT.meter(ask, strip_usage=strip_usage, provider=provider)

    def refusal(self, refusal):
        return CHAT.refusal(refusal)


class Nameless(Own):
    def read(self, body, model, *, stream):
        return CHAT.read(body, model, stream=stream)


class Trusting(Own):
    def read(self, body, model, *, stream):
        return super().read(SAMPLE.request if body[:1] != b"{" else body, model, stream=stream)


class Raising(Own):
    def read(self, body, model, *, stream):
        if b"[[]]" in body:
            raise KeyError("messages")
        return super().read(body, model, stream=stream)


class Forgetful(Own):
    def change(self, body, change):
        return b'{"model":"another","messages":[]}' if change.model else body


class Meter:
    def __init__(self, meter):
        self._meter = meter

    def __getattr__(self, name):
        return getattr(self._meter, name)


class Swallowing(Meter):
    def feed(self, chunk):
        return self._meter.feed(chunk)[:40]


class Last(Meter):
    """Reads the last chunk alone."""

    def feed(self, chunk):
        if chunk:
            self._meter = CHAT.meter(None, strip_usage=False)
        return self._meter.feed(chunk)


class Blind(Meter):
    def reading(self):
        return None


def metered(kind):
    class Metered(Own):
        def meter(self, ask, *, strip_usage, provider=None):
            return kind(CHAT.meter(ask, strip_usage=strip_usage))

    return Metered


class Mute(Own):
    def refusal(self, refusal):
        return b'{"error":{"message":"No.","code":"budget_exhausted"}}'


def shape(told):
    assert told["fault"]


@pytest.mark.parametrize("check", suite.CHECKS, ids=lambda check: check.__name__)
def test_a_protocol_in_order_passes(check):
    check(Own(), SAMPLE)


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        (Nameless, suite.it_reads_its_own_request),
        (Trusting, suite.it_refuses_what_is_no_json_object),
        (Raising, suite.it_reads_or_refuses_any_type_in_any_field),
        (Forgetful, suite.it_changes_what_it_is_told_and_nothing_else),
        (metered(Swallowing), suite.it_meters_the_same_however_an_answer_is_cut),
        (metered(Last), suite.it_meters_the_same_however_an_answer_is_cut),
        (metered(Swallowing), suite.it_never_raises_over_an_answer),
        (metered(Blind), suite.it_knows_a_whole_answer_and_what_it_used),
        (Mute, suite.it_refuses_in_the_vendors_words),
    ],
)
def test_a_broken_promise_is_found(kind, check):
    with pytest.raises((AssertionError, KeyError)):
        check(kind(), SAMPLE)


def test_an_error_of_another_shape_is_found():
    odd = suite.msgspec.structs.replace(SAMPLE, shape=shape)
    with pytest.raises(KeyError):
        suite.it_refuses_in_the_vendors_words(Own(), odd)
