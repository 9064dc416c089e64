"""Chat completions: what a request asks for, what is changed in it, what its answer says."""

import json

import pytest

from farthing.domain.errors import BadInput
from farthing.domain.usage import Usage
from farthing.providers.protocol import Change, Turns
from farthing.providers.protocols.openai_chat import PROTOCOL

HELLO = [{"role": "user", "content": "Hello"}]


def body(**fields):
    return json.dumps({"model": "gpt-5", "messages": HELLO} | fields).encode()


def ask(**fields):
    return PROTOCOL.read(body(**fields), None, stream=False)


def test_the_plainest_request_has_no_cap_and_is_bounded_by_its_bytes():
    read = ask()
    assert (read.model, read.operation, read.stream) == ("gpt-5", "chat", False)
    assert (read.output_cap, read.choices, read.windows, read.unbounded) == (None, 1, 0, None)
    assert (read.deterministic, read.usage_asked, read.rewrite) == (False, True, False)


def test_the_larger_of_the_two_caps_counts():
    assert ask(max_tokens=5).output_cap == 5
    assert ask(max_completion_tokens=7).output_cap == 7
    assert ask(max_tokens=9, max_completion_tokens=7).output_cap == 9
    assert ask(max_tokens=None).output_cap is None


def test_only_an_explicit_zero_is_deterministic():
    assert ask(temperature=0).deterministic
    assert ask(temperature=0.0).deterministic
    assert not ask(temperature=0, n=2).deterministic
    assert not ask(temperature=None).deterministic


def test_a_stream_has_usage_only_where_it_was_asked_for():
    assert not ask(stream=True).usage_asked
    assert not ask(stream=True, stream_options={"include_usage": False}).usage_asked
    assert ask(stream=True, stream_options={"include_usage": True}).usage_asked


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "file", "file": {"file_data": "AAAA"}},
    ],
)
def test_media_count_as_a_window(part):
    assert ask(messages=[{"role": "user", "content": [part]}]).windows == 1


def test_media_in_disguise_count_too():
    hidden = body(messages=[{"content": [{"image_url": "x"}]}]).replace(b"image", b"im\\u0061ge")
    assert PROTOCOL.read(hidden, None, stream=False).windows == 1


def test_a_text_that_speaks_of_media_is_a_text():
    text = 'see {"image_url": "x"} and "file_id"; é'
    assert ask(messages=[{"role": "user", "content": text}]).windows == 0


def test_a_search_of_the_provider_has_no_bound_and_a_function_of_that_name_has():
    assert ask(web_search_options={}).unbounded == "server_tool"
    assert ask(web_search_options=None).unbounded is None
    assert ask(tools=[{"type": "web_search"}]).unbounded == "server_tool"
    function = {"type": "function", "function": {"name": "web_search", "parameters": {}}}
    assert ask(tools=[function]).unbounded is None


def test_speech_is_bounded_by_a_cap_alone():
    assert ask(modalities=["text", "audio"]).unbounded == "media_output"
    assert ask(modalities=["text", "audio"], max_tokens=9).unbounded is None
    assert ask(modalities=["text"]).unbounded is None


def test_a_prediction_may_be_billed_as_output():
    prediction = {"type": "content", "content": "x" * 100}
    assert ask(prediction=prediction).extra_output >= 100
    assert ask(prediction=None).extra_output == 0


def test_labels_are_read_and_odd_ones_left_out():
    read = ask(user="u1", metadata={"team": "search", "n": 5}, service_tier="flex")
    assert (read.user, read.metadata, read.service_tier) == ("u1", {"team": "search"}, "flex")


def test_turns_and_failed_tools_are_counted_on_demand():
    results = [
        {"role": "tool", "content": '{"error": "no such file"}', "tool_call_id": "1"},
        {"role": "tool", "content": "an error in plain words", "tool_call_id": "2"},
        {"role": "tool", "content": '{"error": null}', "tool_call_id": "3"},
    ]
    assert ask(messages=[*HELLO, *results]).turns() == Turns(4, 3, 1)
    assert ask(messages=[1, 2]).turns() == Turns()


def test_every_turn_of_a_conversation_has_the_same_prefix():
    system = {"role": "system", "content": "Be brief."}
    more = [{"role": "assistant", "content": "Hi"}, {"role": "user", "content": "Why?"}]
    first = ask(messages=[system, *HELLO])
    assert first.prefix() == ask(messages=[system, *HELLO, *more]).prefix()
    assert first.prefix() != ask(messages=HELLO).prefix()


@pytest.mark.parametrize(
    ("sent", "where"),
    [
        (b"", "the body"),
        (b"{", "the body"),
        (b"[]", "the body"),
        (b"null", "the body"),
        (b'{"model":"m","messages":[],"x":"\xff"}', "the body"),
        (b'{"model":"m","messages":' + b"[" * 100_000, "the body"),
        (b'{"model":"m","messages":[]} {}', "the body"),
        (body(model=5), "model"),
        (body(model=""), "model"),
        (body(model="m" * 1000), "model"),
        (body(model="a\r\nb"), "model"),
        (b'{"messages":[]}', "the body"),
        (b'{"model":"m"}', "messages"),
        (body(messages="hi"), "messages"),
        (body(max_tokens="5"), "max_tokens"),
        (body(max_tokens=-1), "max_tokens"),
        (body(max_completion_tokens=10**12), "max_completion_tokens"),
        (body(n=0), "n"),
        (body(n=1000), "n"),
        (body(n=1.5), "n"),
        (body(stream="yes"), "stream"),
        (body(temperature="0"), "temperature"),
        (body(stream_options={"include_usage": 1}), "stream_options.include_usage"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(sent, where):
    with pytest.raises(BadInput) as caught:
        PROTOCOL.read(sent, None, stream=False)
    assert caught.value.where == where


@pytest.mark.parametrize(
    "sent",
    [
        b'{"model":"m","messages":[],"max_tokens":100000,"max_tokens":5}',
        b'{"model":"m","messages":[],"max_tokens":100000,"max\\u005ftokens":5}',
        b'{"model":"m","messages":[{"content":"long"}],"messages":[]}',
        b'{"model":"m","messages":[],"stop":["\\n"],"n":100,"n":1}',
        b'{"model":"m","messages":[],"messages":[],"x":"' + b"x" * 5000 + b'"}',
    ],
)
def test_a_field_that_is_there_twice_is_sent_as_it_was_priced(sent):
    read = PROTOCOL.read(sent, None, stream=False)
    assert read.rewrite
    sent_on = PROTOCOL.change(sent, Change(rewrite=True))
    again = PROTOCOL.read(sent_on, None, stream=False)
    assert not again.rewrite
    assert (again.output_cap, again.choices) == (read.output_cap, read.choices)
    assert json.loads(sent_on) == json.loads(sent)


def test_the_usage_event_is_asked_for_and_nothing_else_changes():
    sent = body(stream=True)
    changed = PROTOCOL.change(sent, Change(include_usage=True))
    option = b'"stream_options":{"include_usage":true},'
    assert changed == sent[:1] + option + sent[1:]
    kept = body(stream=True, stream_options={"include_usage": False, "include_obfuscation": False})
    changed = json.loads(PROTOCOL.change(kept, Change(include_usage=True)))
    assert changed["stream_options"] == {"include_usage": True, "include_obfuscation": False}


def test_a_model_is_changed_in_place():
    sent = b' {"messages" : [ ] , "model" : "a" , "x": 1.50 }'
    assert PROTOCOL.change(sent, Change(model="b")) == sent.replace(b'"a"', b'"b"')


def test_a_cap_is_lowered_wherever_it_stands_and_added_where_it_is_not():
    changed = PROTOCOL.change(body(max_tokens=50, max_completion_tokens=90), Change(output_cap=7))
    assert changed == body(max_tokens=7, max_completion_tokens=7)
    changed = json.loads(PROTOCOL.change(body(), Change(output_cap=7)))
    assert changed["max_completion_tokens"] == 7
    changed = json.loads(PROTOCOL.change(body(), Change(output_cap=7, cap_field="max_tokens")))
    assert changed["max_tokens"] == 7


def test_a_name_inside_a_tool_is_not_the_field():
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"max_tokens": 1}}}]
    for extra in ({}, {"max_tokens": 9}):
        sent = {"model": "m", "messages": HELLO, "tools": tools} | extra
        changed = PROTOCOL.change(
            json.dumps(sent).encode(), Change(output_cap=7, cap_field="max_tokens")
        )
        assert json.loads(changed) == sent | {"max_tokens": 7}


def test_a_whole_answer_says_what_it_used():
    meter = PROTOCOL.meter(ask(), strip_usage=False)
    answer = {"id": "c1", "model": "gpt-5-0", "choices": [], "service_tier": "Flex"}
    usage = {"prompt_tokens": 10, "completion_tokens": 4}
    text = json.dumps(answer | {"usage": usage}).encode()
    assert meter.feed(text[:20]) + meter.feed(text[20:]) == text
    reading = meter.reading()
    assert meter.complete
    assert reading is not None
    assert (reading.usage, reading.model) == (Usage(10, output_visible=4), "gpt-5-0")
    assert (reading.response_id, reading.context) == ("c1", {"service_tier": "flex"})
    assert meter.flags == ()
