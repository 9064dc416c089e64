"""Bad requests get what the provider itself would say, and cost nothing."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.providers.simulator.asking import (
    CHAT,
    COMPLETIONS,
    COUNT,
    EMBEDDINGS,
    MESSAGES,
    RESPONSES,
    TALKS,
    body_of,
    gemini,
    get,
    post,
    question,
    simulator,
    with_headers,
)

PATHS = {
    "chat": CHAT,
    "responses": RESPONSES,
    "messages": MESSAGES,
    "gemini": gemini("generateContent"),
}
EVERY = (*PATHS.values(), COMPLETIONS, EMBEDDINGS, COUNT, gemini("embedContent", "sim-embed"))


def family(path: str) -> str:
    return "gemini" if "v1beta" in path else "anthropic" if "messages" in path else "openai"


def said(script, path: str) -> str:
    """The message of an error, after a look at its form."""
    body = body_of(script)
    match family(path):
        case "openai":
            assert set(body["error"]) == {"message", "type", "param", "code"}
        case "anthropic":
            assert body["type"] == "error"
            assert set(body["error"]) == {"type", "message"}
            assert body["request_id"].encode() == dict(script.headers)[b"request-id"]
        case "gemini":
            assert set(body["error"]) == {"code", "message", "status"}
            assert body["error"]["code"] == script.status
    assert script.usage is None
    assert (b"x-simulated", b"true") in script.headers
    return body["error"]["message"]


@pytest.mark.parametrize("path", EVERY)
@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"7", b"\xff{}", b'{"a":' * 100_000, b'{"model":"sim-small"'],
    ids=["empty", "torn", "list", "number", "no UTF-8", "deep", "cut"],
)  # fmt: skip
def test_what_is_no_json_object_is_a_bad_request(path, body):
    script = simulator().answer(post(path, body))
    assert script.status == 400
    assert said(script, path)


@pytest.mark.parametrize("path", EVERY)
def test_a_request_that_says_nothing_is_bad(path):
    script = simulator().answer(post(path, {}))
    assert script.status == 400
    assert said(script, path)


@pytest.mark.parametrize("protocol", TALKS)
@pytest.mark.parametrize("model", ["gpt-4o", "sim-embed"])
def test_a_model_that_is_not_there_or_cannot_talk_is_not_found(protocol, model):
    script = simulator().answer(question(protocol, model=model))
    assert script.status == 404
    assert model in said(script, PATHS[protocol])


def test_a_model_that_talks_makes_no_embeddings():
    script = simulator().answer(post(EMBEDDINGS, {"model": "sim-small", "input": "x"}))
    assert script.status == 404


@pytest.mark.parametrize("protocol", TALKS)
@pytest.mark.parametrize("cap", [-1, 0, 16_385])
def test_an_output_limit_out_of_bounds_is_refused(protocol, cap):
    field = {
        "chat": {"max_tokens": cap},
        "responses": {"max_output_tokens": cap},
        "messages": {"max_tokens": cap},
        "gemini": {"generationConfig": {"maxOutputTokens": cap}},
    }
    body = json.loads(question(protocol).body) | field[protocol]
    script = simulator().answer(post(PATHS[protocol], body))
    assert script.status == 400
    assert str(cap) in said(script, PATHS[protocol])


@pytest.mark.parametrize("protocol", TALKS)
def test_a_prompt_beyond_the_window_is_refused(protocol):
    script = simulator().answer(question(protocol, "word " * 103_000))
    assert script.status == 400
    assert "128000" in said(script, PATHS[protocol])


@pytest.mark.parametrize("n", [0, 129])
def test_choices_out_of_bounds_are_refused(n):
    body = json.loads(question("chat").body) | {"n": n}
    assert simulator().answer(post(CHAT, body)).status == 400


def test_an_error_names_the_field():
    body = json.loads(question("chat").body) | {"max_tokens": "many"}
    error = body_of(simulator().answer(post(CHAT, body)))["error"]
    assert error["param"] == "max_tokens"
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "change",
    [
        {"max_tokens": None},
        {"messages": []},
        {"messages": [{"role": "robot", "content": "x"}]},
        {"thinking": {"type": "enabled", "budget_tokens": 20_000}},
        {
            "tools": [{"name": "a", "input_schema": {}}],
            "tool_choice": {"type": "tool", "name": "b"},
        },
    ],
    ids="+".join,
)
def test_anthropic_refuses(change):
    body = json.loads(question("messages").body) | change
    script = simulator().answer(post(MESSAGES, body))
    assert script.status == 400
    assert said(script, MESSAGES)


@pytest.mark.parametrize(
    "change", [{"background": True}, {"previous_response_id": "resp_1"}, {"input": []}]
)
def test_responses_refuses(change):
    body = json.loads(question("responses").body) | change
    script = simulator().answer(post(RESPONSES, body))
    assert script.status == 400
    assert said(script, RESPONSES)


@pytest.mark.parametrize(
    "change",
    [{"input": ""}, {"input": []}, {"input": [1.5]}, {"dimensions": 0}, {"input": "x" * 40_000}],
    ids=["empty", "none", "fraction", "no dimensions", "too long"],
)
def test_embeddings_refuses(change):
    body = {"model": "sim-embed", "input": "x"} | change
    script = simulator().answer(post(EMBEDDINGS, body))
    assert script.status == 400
    assert said(script, EMBEDDINGS)


@pytest.mark.parametrize("protocol", TALKS)
def test_an_unknown_key_is_refused_where_keys_are_set(protocol):
    one = simulator(keys=("right",))
    named = {"messages": "x-api-key", "gemini": "x-goog-api-key"}.get(protocol, "authorization")
    for value, status in (("wrong", 401), ("right", 200)):
        asked = question(protocol)
        told = f"Bearer {value}" if named == "authorization" else value
        asked.headers.append((named.encode(), told.encode()))
        assert one.answer(asked).status == status
    script = one.answer(question(protocol))
    assert script.status == 401
    assert said(script, PATHS[protocol])


def test_geminis_key_may_stand_in_the_query():
    one = simulator(keys=("right",))
    body = json.loads(question("gemini").body)
    path = gemini("generateContent")
    assert one.answer(post(f"{path}?key=right", body)).status == 200
    assert one.answer(post(f"{path}?key=wrong", body)).status == 401


def test_other_places_and_methods_are_not_found():
    assert simulator().answer(post("/v1/images", {})).status == 404
    assert simulator().answer(get("/v1/nowhere")).status == 404
    assert simulator().answer(get(CHAT)).status == 405
    assert simulator().answer(get(EMBEDDINGS)).status == 404


@pytest.mark.parametrize(
    "wish",
    [
        {"latency_ms": "soon"},
        {"latency_ms": "-1"},
        {"latency_ms": "nan"},
        {"error": "200"},
        {"error": "explode"},
        {"hangup_after": "-1"},
        {"output_tokens": "1.5"},
        {"output_tokens": "9" * 30},
    ],
    ids=str,
)
def test_a_wish_that_cannot_be_read_is_a_bad_request(wish):
    script = simulator().answer(with_headers(question("chat"), **wish))
    assert script.status == 400
    assert "x-sim-" in said(script, CHAT)


@pytest.mark.parametrize("field", ["toolConfig", "tool_config", "contents", "generationConfig"])
def test_nesting_is_bounded(field):
    for depth in (300, 480, 900, 5000):
        deep = b'{"a_b":' * depth + b"1" + b"}" * depth
        body = b'{"contents":[{"parts":[{"text":"x"}]}],"tools":[{"functionDeclarations":[]}],'
        script = simulator().answer(
            post(gemini("generateContent"), body + b'"%b":%b}' % (field.encode(), deep))
        )
        assert script.status in {200, 400}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    "model messages input contents tools tool_choice system instructions max_tokens n stream "
    "response_format text reasoning thinking output_config stream_options generationConfig "
    "generation_config toolConfig systemInstruction cache_control seed metadata requests content "
    "dimensions previous_response_id tools reasoning_effort".split()
)


@pytest.mark.parametrize("path", EVERY)
@settings(max_examples=50)
@given(changes=st.dictionaries(FIELDS, JSON, max_size=4))
def test_no_body_is_too_strange_for_an_answer(path, changes):
    usual = {"model": "sim-small", "messages": [{"role": "user", "content": "x"}], "input": "x"}
    more = {"contents": [{"parts": [{"text": "x"}]}], "max_tokens": 9}
    script = simulator().answer(post(path, usual | more | changes))
    assert script.status in {200, 400, 404}
    if script.status != 200:
        assert said(script, path)
