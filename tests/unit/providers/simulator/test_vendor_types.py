"""Every answer, event and error of the simulator is valid by the vendors' own types."""

import json

import anthropic.types as anthropic_types
import google.genai.types as gemini_types
import openai.types as openai_types
import openai.types.chat as openai_chat
import openai.types.responses as openai_responses
import pytest
from pydantic import TypeAdapter

from tests.unit.providers.simulator.asking import (
    CHAT,
    COMPLETIONS,
    COUNT,
    EMBEDDINGS,
    MESSAGES,
    RESPONSES,
    TALKS,
    body_of,
    events_of,
    gemini,
    get,
    post,
    question,
    simulator,
    text_of,
    with_headers,
)

WHOLE = {
    "chat": openai_chat.ChatCompletion,
    "responses": openai_responses.Response,
    "messages": anthropic_types.Message,
    "gemini": gemini_types.GenerateContentResponse,
}
EVENT = {
    "chat": openai_chat.ChatCompletionChunk,
    "responses": openai_responses.ResponseStreamEvent,
    "messages": anthropic_types.RawMessageStreamEvent,
    "gemini": gemini_types.GenerateContentResponse,
}
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 2}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
SAID = {"city": "simulated", "days": 2}
protocols = pytest.mark.parametrize("protocol", TALKS)
either = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def checked(protocol, script):
    """The answer or the events, in the vendor's types."""
    told = events_of(script) if script.streamed else [body_of(script)]
    kind = TypeAdapter((EVENT if script.streamed else WHOLE)[protocol])
    return [kind.validate_python(each) for each in told]


@protocols
@either
@pytest.mark.parametrize("effort", [None, "high"])
@pytest.mark.parametrize("cap", [None, 5])
def test_a_plain_answer(protocol, stream, effort, cap):
    asked = question(protocol, stream=stream, effort=effort, cap=cap)
    assert checked(protocol, simulator().answer(asked))


def tools(protocol, stream, **more):
    """A question that may be answered by calling a tool."""
    function = {"name": "weather", "description": "…", "parameters": SCHEMA}
    match protocol:
        case "chat":
            told = {"tools": [{"type": "function", "function": function}]}
        case "responses":
            told = {"tools": [{"type": "function", "strict": True, **function}]}
        case "messages":
            told = {"tools": [{"name": "weather", "input_schema": SCHEMA}]}
        case _:
            declared = {"name": "weather", "parametersJsonSchema": SCHEMA}
            told = {"tools": [{"functionDeclarations": [declared]}]}
    asked = question(protocol, stream=stream)
    body = json.loads(asked.body) | told | more
    return post(asked.target.decode(), body)


@protocols
@either
def test_a_tool_call(protocol, stream):
    script = simulator().answer(tools(protocol, stream))
    told = checked(protocol, script)
    assert call_in(protocol, told, stream) == ("weather", SAID)


def call_in(protocol, told, stream):
    match protocol, stream:
        case "chat", False:
            assert told[0].choices[0].finish_reason == "tool_calls"
            (call,) = told[0].choices[0].message.tool_calls
            return call.function.name, json.loads(call.function.arguments)
        case "chat", True:
            calls = [c.delta.tool_calls[0] for e in told for c in e.choices if c.delta.tool_calls]
            said = "".join(call.function.arguments or "" for call in calls)
            return calls[0].function.name, json.loads(said)
        case "responses", _:
            answer = told[-1].response if stream else told[0]
            (call,) = answer.output
            return call.name, json.loads(call.arguments)
        case "messages", False:
            assert told[0].stop_reason == "tool_use"
            (call,) = told[0].content
            return call.name, call.input
        case "messages", True:
            parts = [e.delta.partial_json for e in told if e.type == "content_block_delta"]
            begun = next(e for e in told if e.type == "content_block_start")
            return begun.content_block.name, json.loads("".join(parts))
    (part,) = told[-1].candidates[0].content.parts
    return part.function_call.name, part.function_call.args


@protocols
def test_a_tool_that_must_not_be_called_is_not(protocol):
    none = {
        "chat": {"tool_choice": "none"},
        "responses": {"tool_choice": "none"},
        "messages": {"tool_choice": {"type": "none"}},
        "gemini": {"toolConfig": {"functionCallingConfig": {"mode": "NONE"}}},
    }
    plain, without = (
        simulator().answer(asked)
        for asked in (question(protocol), tools(protocol, False, **none[protocol]))
    )
    assert checked(protocol, plain)
    assert checked(protocol, without)
    assert "weather" not in json.dumps({**body_of(without), "tools": None})


def test_a_loop_of_an_agent_calls_each_tool_once_and_then_answers():
    names = ["first", "second", "answer"]
    ask = {
        "model": "sim-small",
        "messages": [{"role": "user", "content": "?"}],
        "tools": [{"type": "function", "function": {"name": name}} for name in names],
        "tool_choice": "required",
    }
    called = []
    for _ in range(4):
        (call,) = body_of(simulator().answer(post(CHAT, ask)))["choices"][0]["message"][
            "tool_calls"
        ]
        called.append(call["function"]["name"])
        answered = {"role": "tool", "tool_call_id": call["id"], "content": "done"}
        ask["messages"] += [{"role": "assistant", "tool_calls": [call]}, answered]
    assert called == [*names, "answer"]
    ask["tool_choice"] = "auto"
    last = body_of(simulator().answer(post(CHAT, ask)))["choices"][0]
    assert last["finish_reason"] == "stop"
    ask["tool_choice"] = {"type": "function", "function": {"name": "second"}}
    named = body_of(simulator().answer(post(CHAT, ask)))["choices"][0]["message"]
    assert named["tool_calls"][0]["function"]["name"] == "second"


@protocols
@either
@pytest.mark.parametrize("output_tokens", [None, 50])
def test_an_answer_of_a_given_schema(protocol, stream, output_tokens):
    shaped = {
        "chat": {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "trip", "schema": SCHEMA},
            }
        },
        "responses": {"text": {"format": {"type": "json_schema", "name": "t", "schema": SCHEMA}}},
        "messages": {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        "gemini": {
            "generationConfig": {
                "responseMimeType": "application/json",
                "responseJsonSchema": SCHEMA,
            }
        },
    }
    asked = question(protocol, stream=stream)
    asked = post(asked.target.decode(), json.loads(asked.body) | shaped[protocol])
    if output_tokens:
        asked = with_headers(asked, output_tokens=output_tokens)
    script = simulator().answer(asked)
    assert checked(protocol, script)
    assert json.loads(text_of(protocol, script)) == SAID
    if output_tokens:
        assert script.usage.output_tokens == output_tokens


def test_a_json_object():
    ask = {
        "model": "sim-small",
        "messages": [{"role": "user", "content": "?"}],
        "response_format": {"type": "json_object"},
    }
    said = body_of(simulator().answer(post(CHAT, ask)))["choices"][0]["message"]["content"]
    assert json.loads(said) == {"simulated": True}


def test_a_response_goes_on_from_a_stored_one():
    one = simulator()
    first = one.answer(question("responses", "A long story. " * 50))
    ask = {"model": "sim-small", "input": "?", "previous_response_id": first.response_id}
    second = one.answer(post(RESPONSES, ask))
    checked("responses", second)
    earlier = first.usage.input_tokens + first.usage.output_tokens
    assert second.usage.input_tokens > earlier


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_embeddings(encoding):
    ask = {"model": "sim-embed", "input": ["one two", "one three", "x"], "dimensions": 64}
    script = simulator().answer(post(EMBEDDINGS, ask | {"encoding_format": encoding}))
    told = body_of(script)
    assert len(told["data"]) == 3
    assert script.usage.input_tokens == told["usage"]["prompt_tokens"] == 6
    if encoding == "float":
        made = openai_types.CreateEmbeddingResponse.model_validate(told)
        one, near, far = (each.embedding for each in made.data)
        assert len(one) == 64
        assert dot(one, one) == pytest.approx(1)
        assert dot(one, near) > dot(one, far)


def dot(one, other):
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_embeddings_of_tokens():
    for given, count in (([1, 2, 3], 3), ([[1, 2], [3]], 3)):
        ask = {"model": "sim-embed", "input": given}
        told = body_of(simulator().answer(post(EMBEDDINGS, ask)))
        assert openai_types.CreateEmbeddingResponse.model_validate(told).usage.total_tokens == count


def test_geminis_embeddings_and_counts():
    content = {"parts": [{"text": "one two"}]}
    one = simulator().answer(post(gemini("embedContent", "sim-embed"), {"content": content}))
    assert len(body_of(one)["embedding"]["values"]) == 256
    many = {"requests": [{"content": content, "outputDimensionality": 8}] * 2}
    both = simulator().answer(post(gemini("batchEmbedContents", "sim-embed"), many))
    made = gemini_types.EmbedContentResponse.model_validate(body_of(both))
    assert [len(each.values) for each in made.embeddings] == [8, 8]
    assert both.usage.input_tokens == 4
    contents = {"contents": [{"role": "user", "parts": [{"text": "What is a farthing?"}]}]}
    counted = body_of(simulator().answer(post(gemini("countTokens"), contents)))
    counted_too = body_of(
        simulator().answer(
            post(gemini("countTokens"), {"generateContentRequest": {"model": "x", **contents}})
        )
    )
    asked = simulator().answer(question("gemini"))
    assert counted["totalTokens"] == counted_too["totalTokens"] == asked.usage.input_tokens
    gemini_types.CountTokensResponse.model_validate(counted)


def test_anthropics_count_is_what_the_message_is_charged():
    asked = question("messages")
    script = simulator().answer(post(COUNT, json.loads(asked.body)))
    counted = anthropic_types.MessageTokensCount.model_validate(body_of(script))
    assert counted.input_tokens == simulator().answer(asked).usage.input_tokens
    assert script.usage is None


def test_gemini_streams_an_array_where_no_events_were_asked_for():
    asked = question("gemini")
    asked = post(gemini("streamGenerateContent"), json.loads(asked.body))
    script = simulator().answer(asked)
    told = body_of(script)
    assert len(script.chunks) == len(told) + 1
    assert [gemini_types.GenerateContentResponse.model_validate(each) for each in told]


def test_gemini_is_asked_in_snake_case_too():
    body = json.loads(question("gemini").body)
    body["generation_config"] = {"max_output_tokens": 3, "candidate_count": 2}
    script = simulator().answer(post(gemini("generateContent"), body))
    assert script.usage.output_tokens == 6


def test_the_models():
    listed = body_of(simulator().answer(get("/v1/models")))
    assert [openai_types.Model.model_validate(each).id for each in listed["data"]] == [
        "sim-small",
        "sim-medium",
        "sim-large",
        "sim-embed",
    ]
    one = body_of(simulator().answer(get("/v1/models/sim-large")))
    assert openai_types.Model.model_validate(one).id == "sim-large"
    version = {"anthropic-version": "2023-06-01"}
    theirs = body_of(simulator().answer(get("/v1/models/sim-large", version)))
    assert anthropic_types.ModelInfo.model_validate(theirs).max_input_tokens == 128_000
    named = body_of(simulator().answer(get("/v1beta/models")))["models"][0]["name"]
    assert named == "models/sim-small"
    assert simulator().answer(get("/v1/models/gpt-4o")).status == 404


def test_a_mark_in_a_message_is_valid_too():
    ask = json.loads(question("messages").body)
    text = {"type": "text", "text": "a" * 9000, "cache_control": {"type": "ephemeral"}}
    ask["messages"] = [{"role": "user", "content": [text]}]
    script = simulator().answer(post(MESSAGES, ask))
    (message,) = checked("messages", script)
    assert message.usage.cache_creation.ephemeral_5m_input_tokens > 2000


@pytest.mark.parametrize("stream", [False, True])
def test_old_completions(stream):
    ask = {"model": "sim-small", "prompt": ["Once", "upon"], "n": 2, "best_of": 3, "max_tokens": 9}
    if stream:
        ask |= {"stream": True, "stream_options": {"include_usage": True}}
    script = simulator().answer(post(COMPLETIONS, ask))
    told = events_of(script) if stream else [body_of(script)]
    for choice in (choice for each in told for choice in each["choices"]):
        choice["finish_reason"] = choice["finish_reason"] or "stop"  # the type knows no null yet
    made = [openai_types.Completion.model_validate(each) for each in told]
    choices = [choice for each in made for choice in each.choices]
    assert {choice.index for choice in choices} == {0, 1, 2, 3}
    assert sum(len(choice.text) for choice in choices) == 4 * 9 * 4
    assert made[-1].usage.completion_tokens == 2 * 3 * 9
    assert choices[-1].finish_reason == "length"
