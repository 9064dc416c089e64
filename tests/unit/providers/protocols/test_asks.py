"""What requests of the responses API, Anthropic, Gemini and the rest ask for."""

import json
from importlib import import_module

import pytest

from farthing.domain.errors import BadInput
from farthing.providers.protocol import Change, Turns

HELLO = [{"role": "user", "content": "Hello"}]
PLAIN = {
    "openai_responses": {"model": "m", "input": "Hello"},
    "openai_embeddings": {"model": "m", "input": "Hello"},
    "openai_completions": {"model": "m", "prompt": "Hello"},
    "anthropic_messages": {"model": "m", "messages": HELLO, "max_tokens": 100},
    "anthropic_count_tokens": {"model": "m", "messages": HELLO},
    "gemini_generate": {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]},
    "gemini_embed": {"content": {"parts": [{"text": "Hello"}]}},
    "gemini_embed_batch": {"requests": [{"model": "models/m", "content": {"parts": []}}]},
    "gemini_count_tokens": {"contents": []},
}


def protocol(name):
    return import_module(f"farthing.providers.protocols.{name}").PROTOCOL


def body(name, **fields):
    return json.dumps(PLAIN[name] | fields).encode()


def ask(name, **fields):
    return protocol(name).read(body(name, **fields), "m", stream=False)


def changed(name, change, **fields):
    return json.loads(protocol(name).change(body(name, **fields), change))


@pytest.mark.parametrize("name", PLAIN)
def test_the_plainest_request_is_bounded_by_its_bytes(name):
    read = ask(name)
    assert (read.protocol, read.model) == (name, "m")
    assert (read.windows, read.unbounded, read.extras, read.rewrite) == (0, None, {}, False)
    assert read.has_output == (read.operation is not None and read.operation != "embeddings")
    assert read.deterministic == (read.operation == "embeddings")


# The responses API


@pytest.mark.parametrize(
    "fields",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"conversation": {"id": "conv_1"}},
        {"prompt": {"id": "pmpt_1"}},
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]},
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_url": "u"}]}]},
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "u"}]}]},
        {"input": [{"type": "item_reference", "id": "msg_1"}]},
    ],
)
def test_what_is_kept_at_openai_counts_as_a_window(fields):
    assert ask("openai_responses", **fields).windows == 1


@pytest.mark.parametrize("kind", ["web_search", "file_search", "code_interpreter", "mcp", "shell"])
def test_tools_at_openai_need_a_cap(kind):
    assert ask("openai_responses", tools=[{"type": kind}]).unbounded == "server_tool"
    capped = ask("openai_responses", tools=[{"type": kind}], max_tool_calls=5)
    assert (capped.unbounded, capped.windows) == (None, 6)


def test_searches_are_extras_and_drawings_have_no_bound():
    capped = ask("openai_responses", tools=[{"type": "web_search"}], max_tool_calls=5)
    assert capped.extras == {"web_searches": 5}
    capped = ask("openai_responses", tools=[{"type": "image_generation"}], max_tool_calls=5)
    assert capped.unbounded == "media_output"
    assert ask("openai_responses", background=True).unbounded == "background"


def test_tools_at_the_caller_are_free():
    tools = [{"type": "function", "name": "web_search"}, {"type": "custom", "name": "x"}]
    read = ask("openai_responses", tools=tools, temperature=0)
    assert (read.unbounded, read.windows, read.deterministic) == (None, 0, True)


def test_items_are_turns():
    outputs = [
        {"type": "function_call_output", "call_id": "1", "output": '{"error": "x"}'},
        {"type": "function_call_output", "call_id": "2", "output": "fine"},
    ]
    assert ask("openai_responses", input=[*HELLO, *outputs]).turns() == Turns(3, 2, 1)
    assert ask("openai_responses").turns() == Turns(1)


# Embeddings and completions


def test_several_prompts_are_several_answers():
    assert ask("openai_completions", prompt=["a", "b"], n=2, best_of=3).choices == 6
    assert ask("openai_completions", prompt=[1, 2, 3]).choices == 1
    assert ask("openai_completions", prompt=[[1], [2]]).choices == 2


def test_an_embedding_has_no_output_and_is_deterministic():
    read = ask("openai_embeddings", input=[[1, 2], [3]])
    assert (read.has_output, read.deterministic, read.operation) == (False, True, "embeddings")


# Anthropic


def test_anthropic_must_say_how_much_it_may_answer():
    with pytest.raises(BadInput, match="max_tokens"):
        ask("anthropic_messages", max_tokens=None)


def test_thinking_is_the_least_that_a_cap_may_leave():
    read = ask("anthropic_messages", thinking={"type": "enabled", "budget_tokens": 1024})
    assert read.output_floor == 1025
    assert ask("anthropic_messages", thinking={"type": "adaptive"}).output_floor == 0


def blocks(*content):
    return [{"role": "user", "content": list(content)}]


def source(kind, **fields):
    return {"type": "document", "source": {"type": kind} | fields}


@pytest.mark.parametrize(
    ("block", "windows"),
    [
        ({"type": "image", "source": {"type": "base64", "media_type": "x", "data": "A"}}, 1),
        (source("url", url="https://example.com/a.pdf"), 1),
        (source("file", file_id="file_1"), 1),
        ({"type": "container_upload", "file_id": "file_1"}, 1),
        (source("text", media_type="text/plain", data="all of it"), 0),
        (source("content", content=[{"type": "text", "text": "x"}]), 0),
        ({"type": "tool_use", "id": "1", "name": "fetch", "input": {"url": "u"}}, 0),
        ({"type": "text", "text": '"source": {"type": "url"}'}, 0),
    ],
)
def test_anthropic_media_count_as_a_window(block, windows):
    assert ask("anthropic_messages", messages=blocks(block)).windows == windows


def test_tools_at_anthropic_are_bounded_by_their_uses():
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    fetch = {"type": "web_fetch_20250910", "name": "web_fetch", "max_uses": 2}
    read = ask("anthropic_messages", tools=[search, fetch])
    assert (read.windows, read.extras, read.unbounded) == (6, {"web_searches": 3}, None)
    free = {"type": "code_execution_20250825", "name": "code_execution"}
    assert ask("anthropic_messages", tools=[search, free]).unbounded == "server_tool"
    servers = [{"type": "url", "url": "https://example.com", "name": "x"}]
    assert ask("anthropic_messages", mcp_servers=servers).unbounded == "server_tool"


def test_tools_at_anthropics_caller_are_free():
    tools = [
        {"name": "f", "input_schema": {}},
        {"type": "custom", "name": "g", "input_schema": {}},
        {"type": "bash_20250124", "name": "bash"},
        {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"},
        {"type": "computer_20250124", "name": "computer"},
        {"type": "memory_20250818", "name": "memory"},
    ]
    read = ask("anthropic_messages", tools=tools)
    assert (read.unbounded, read.windows) == (None, 0)


def test_what_changes_anthropics_price_is_kept():
    read = ask("anthropic_messages", speed="fast", inference_geo="us", service_tier="auto")
    assert (read.context, read.service_tier) == ({"speed": "fast", "inference_geo": "us"}, "auto")
    assert ask("anthropic_messages", inference_geo="global").context == {}


def test_compaction_is_a_run_more():
    management = {"edits": [{"type": "compact_20260112"}]}
    assert ask("anthropic_messages", context_management=management).windows == 2


def test_anthropic_results_say_whether_they_failed():
    results = [
        {"type": "tool_result", "tool_use_id": "1", "is_error": True, "content": "x"},
        {"type": "tool_result", "tool_use_id": "2", "content": [{"type": "text", "text": "x"}]},
    ]
    turns = ask("anthropic_messages", messages=[*HELLO, *blocks(*results)]).turns()
    assert turns == Turns(2, 2, 1)


def test_the_same_conversation_has_the_same_prefix():
    more = [{"role": "assistant", "content": "Hi"}, {"role": "user", "content": "Why?"}]
    first = ask("anthropic_messages", system="Be brief.")
    later = ask("anthropic_messages", system="Be brief.", messages=[*HELLO, *more])
    assert first.prefix() == later.prefix() != ask("anthropic_messages").prefix()
    contents = PLAIN["gemini_generate"]["contents"]
    later = [*contents, {"role": "model", "parts": [{"text": "Hi"}]}, *contents]
    assert ask("gemini_generate").prefix() == ask("gemini_generate", contents=later).prefix()


# Gemini


@pytest.mark.parametrize(
    "config",
    [
        {"maxOutputTokens": 50, "candidateCount": 2, "temperature": 0},
        {"max_output_tokens": 50, "candidate_count": 2, "temperature": 0},
        {"maxOutputTokens": "50", "max_output_tokens": 7, "candidateCount": 2.0},
    ],
)
@pytest.mark.parametrize("name", ["generationConfig", "generation_config"])
def test_gemini_takes_both_spellings(name, config):
    read = ask("gemini_generate", **{name: config})
    assert (read.output_cap, read.choices, read.deterministic) == (50, 2, False)
    new = changed("gemini_generate", Change(output_cap=9), **{name: config})[name]
    caps = {key: 9 for key in config if key.lower().replace("_", "") == "maxoutputtokens"}
    assert new == config | caps


def test_gemini_is_given_a_cap_where_it_has_none():
    assert changed("gemini_generate", Change(output_cap=9))["generationConfig"] == {
        "maxOutputTokens": 9
    }
    new = changed("gemini_generate", Change(output_cap=9), generationConfig={"temperature": 0})
    assert new["generationConfig"] == {"temperature": 0, "maxOutputTokens": 9}


@pytest.mark.parametrize(
    "part",
    [
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        {"inline_data": {"mime_type": "image/png", "data": "AAAA"}},
        {"fileData": {"fileUri": "https://example.com/a"}},
    ],
)
def test_gemini_media_count_as_a_window(part):
    assert ask("gemini_generate", contents=[{"parts": [part]}]).windows == 1
    assert ask("gemini_generate", systemInstruction={"parts": [part]}).windows == 1


def test_gemini_caches_and_tools():
    assert ask("gemini_generate", cachedContent="cachedContents/1").windows == 1
    assert ask("gemini_generate", cached_content="cachedContents/1").windows == 1
    for tool in ("googleSearch", "google_search", "urlContext", "codeExecution"):
        assert ask("gemini_generate", tools=[{tool: {}}]).unbounded == "server_tool"
    functions = [{"functionDeclarations": [{"name": "googleSearch"}]}]
    assert ask("gemini_generate", tools=functions).unbounded is None
    speech = {"responseModalities": ["AUDIO"]}
    assert ask("gemini_generate", generationConfig=speech).unbounded == "media_output"
    capped = speech | {"maxOutputTokens": 5}
    assert ask("gemini_generate", generationConfig=capped).unbounded is None


def test_gemini_functions_that_failed():
    parts = [
        {"functionResponse": {"name": "f", "response": {"error": "no"}}},
        {"functionResponse": {"name": "f", "response": {"result": "error"}}},
    ]
    assert ask("gemini_generate", contents=[{"parts": parts}]).turns() == Turns(1, 2, 1)


# All of them


@pytest.mark.parametrize(
    ("name", "fields", "where"),
    [
        ("openai_responses", {"input": 5}, "input"),
        ("openai_responses", {"max_output_tokens": -1}, "max_output_tokens"),
        ("openai_responses", {"max_tool_calls": "3"}, "max_tool_calls"),
        ("openai_responses", {"tools": {"type": "x"}}, "tools"),
        ("openai_responses", {"background": "yes"}, "background"),
        ("openai_embeddings", {"input": None}, "input"),
        ("openai_embeddings", {"model": 1}, "model"),
        ("openai_completions", {"best_of": 0}, "best_of"),
        ("openai_completions", {"prompt": ["x"] * 5000}, "prompt"),
        ("anthropic_messages", {"messages": "x"}, "messages"),
        ("anthropic_messages", {"max_tokens": 1.5}, "max_tokens"),
        ("anthropic_messages", {"thinking": {"budget_tokens": "x"}}, "thinking.budget_tokens"),
        ("anthropic_messages", {"thinking": {"budget_tokens": -5}}, "thinking.budget_tokens"),
        ("anthropic_count_tokens", {"messages": None}, "messages"),
        ("gemini_generate", {"contents": "x"}, "contents"),
        ("gemini_generate", {"tools": [5]}, "tools[0]"),
        (
            "gemini_generate",
            {"generationConfig": {"maxOutputTokens": "x"}},
            "generationConfig.maxOutputTokens",
        ),
        (
            "gemini_generate",
            {"generationConfig": {"maxOutputTokens": -1}},
            "generationConfig.maxOutputTokens",
        ),
        (
            "gemini_generate",
            {"generationConfig": {"candidateCount": 0}},
            "generationConfig.candidateCount",
        ),
        (
            "gemini_generate",
            {"generationConfig": {"candidateCount": 1000}},
            "generationConfig.candidateCount",
        ),
        ("gemini_embed", {"content": None}, "content"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(name, fields, where):
    with pytest.raises(BadInput) as caught:
        ask(name, **fields)
    assert caught.value.where == where


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("openai_responses", "max_output_tokens"),
        ("openai_completions", "max_tokens"),
        ("anthropic_messages", "max_tokens"),
    ],
)
def test_models_and_caps_are_changed(name, field):
    new = changed(name, Change(model="other", output_cap=7), **{field: 90})
    assert new == PLAIN[name] | {field: 7, "model": "other"}


def test_gemini_names_its_model_in_the_path_alone():
    assert changed("gemini_generate", Change(model="x")) == PLAIN["gemini_generate"]
    with pytest.raises(BadInput, match="model"):
        protocol("gemini_generate").read(body("gemini_generate"), None, stream=False)


def test_a_cap_that_gemini_has_twice_is_sent_once():
    sent = b'{"contents":[],"generationConfig":{"maxOutputTokens":9999,"maxOutputTokens":5}}'
    gemini = protocol("gemini_generate")
    assert gemini.read(sent, "m", stream=False).rewrite
    again = gemini.change(sent, Change(rewrite=True))
    assert again == b'{"contents":[],"generationConfig":{"maxOutputTokens":5}}'
    assert not gemini.read(again, "m", stream=False).rewrite
