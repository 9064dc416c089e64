"""Whatever stands in a body: refused in its protocol's shape or sent on, never a crash."""

import http.client
import json
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from tests.gateways import configure, key, provider, rows, up
from tests.journeys.sockets import resident_mb

HI = [{"role": "user", "content": "Hi"}]
WHOLE = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
PLAIN = {"content": {"parts": [{"text": "Hi"}]}}
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {}}}

# Path, a body that is right, and further fields that are read in it.
PROTOCOLS = {
    "openai_chat": (
        "/v1/chat/completions",
        {"model": "sim-small", "messages": HI, "max_tokens": 5},
        "max_completion_tokens n stream stream_options temperature service_tier user metadata "
        "tools modalities prediction web_search_options search_parameters plugins models",
    ),
    "openai_responses": (
        "/v1/responses",
        {"model": "sim-small", "input": "Hi", "max_output_tokens": 16},
        "stream temperature service_tier user metadata tools background previous_response_id "
        "conversation prompt instructions max_tool_calls truncation reasoning",
    ),
    "openai_embeddings": (
        "/v1/embeddings",
        {"model": "sim-embed", "input": "Hi"},
        "user dimensions encoding_format",
    ),
    "openai_completions": (
        "/v1/completions",
        {"model": "sim-small", "prompt": "Hi", "max_tokens": 5},
        "n best_of echo stream stream_options temperature user suffix",
    ),
    "anthropic_messages": (
        "/v1/messages",
        {"model": "sim-small", "max_tokens": 5, "messages": HI},
        "stream temperature system tools metadata thinking service_tier mcp_servers container "
        "speed inference_geo",
    ),
    "anthropic_count_tokens": (
        "/v1/messages/count_tokens",
        {"model": "sim-small", "messages": HI},
        "system tools thinking",
    ),
    "gemini_generate": (
        "/v1beta/models/sim-small:generateContent",
        {**WHOLE, "generationConfig": {"maxOutputTokens": 5}},
        "tools systemInstruction cachedContent labels serviceTier",
    ),
    "gemini_count_tokens": ("/v1beta/models/sim-small:countTokens", WHOLE, "tools"),
    "gemini_embed": ("/v1beta/models/sim-embed:embedContent", PLAIN, "taskType title"),
    "gemini_embed_batch": (
        "/v1beta/models/sim-embed:batchEmbedContents",
        {"requests": [{"model": "models/sim-embed", **PLAIN}]},
        "labels",
    ),
}
DEEP = b"[" * 100_000 + b"]" * 100_000
ODD = (
    b"null", b"true", b"-1", b"1.5", b"1e999", b"NaN", b"-Infinity", b"1" + b"0" * 30, b'""',
    b'"x"', b"[]", b"[[]]", b"[1]", b'["x"]', b"{}", b'{"a":1}', b'[{"type":1}]',
    b'"\\ud800"', b'{"a":' + b'{"a":' * 500 + b"1" + b"}" * 501,
)  # fmt: skip


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bodies")
    with provider(folder) as simulator:
        configure(folder, simulator.url)
        made = key(folder)
        with up(folder) as started:
            started.demo_key, started.simulator = made["key"], simulator
            yield started


@pytest.fixture
def ask(gateway):
    """Post a body over one connection; the status and what was said."""
    where = urlsplit(gateway.gateway)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=60)

    def post(path, body, token=None, **headers):
        given = {"authorization": f"Bearer {token or gateway.demo_key}", **headers}
        connection.request("POST", path, body, given)
        answer = connection.getresponse()
        return answer.status, answer.read()

    yield post
    connection.close()


def with_field(body, name, value):
    """The body as JSON with that text for a field."""
    fields = {**{key: json.dumps(each).encode() for key, each in body.items()}, name: value}
    return (
        b"{" + b",".join(b'"%b":%b' % (key.encode(), each) for key, each in fields.items()) + b"}"
    )


def code_of(name, said):
    """The code of an error of ours, in the protocol's shape."""
    told = json.loads(said)
    error = told["error"]
    assert len(error["message"]) > 15
    if name.startswith("gemini"):
        assert isinstance(error["code"], int)
        assert error["status"].isupper()
        return error["details"][0]["reason"]
    assert ("type" in told) == name.startswith("anthropic")
    return error["code"]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_field_of_every_protocol_may_hold_anything(name, ask):
    path, body, more = PROTOCOLS[name]
    status, said = ask(path, json.dumps(body))
    assert status == 200, said
    for field in (*body, *more.split()):
        for value in ODD:
            status, said = ask(path, with_field(body, field, value))
            assert status in {200, 400, 403, 404}, (field, value[:40], said)
            if status != 200:
                assert json.loads(said)["error"]["message"], (field, value[:40], said)


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"[1, 2]", ""),
        (b'{"model": "sim-small", "\xff": 1}', "no JSON"),
        (b'{"a":' + DEEP + b"}", "nested too deeply"),
        (b"\x00" * 100, "no JSON"),
        (b"\xef\xbb\xbf{}", ""),
    ],
    ids=["empty", "torn", "a list", "no UTF-8", "a depth bomb", "zero bytes", "a mark before it"],
)
def test_what_is_no_json_object_is_refused_and_nothing_sent(name, bad, message, gateway, ask):
    reached = len(gateway.simulator.attempts())
    status, said = ask(PROTOCOLS[name][0], bad)
    assert (status, code_of(name, said)) == (400, "bad_request")
    assert message in said.decode()
    assert len(gateway.simulator.attempts()) == reached


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("openai_chat", "max_tokens", b"1e999"),
        ("openai_chat", "max_tokens", b"-1"),
        ("openai_chat", "max_tokens", b"1" + b"0" * 30),
        ("openai_chat", "max_tokens", b'"5"'),
        ("openai_chat", "n", b"1000"),
        ("openai_chat", "n", b"0"),
        ("openai_chat", "n", b"NaN"),
        ("openai_chat", "model", b'""'),
        ("openai_chat", "model", b'"a\\u0000b"'),
        ("openai_chat", "messages", DEEP),
        ("openai_completions", "best_of", b"1000"),
        ("openai_responses", "max_output_tokens", b"1e999"),
        ("anthropic_messages", "max_tokens", b"1e999"),
        ("anthropic_messages", "max_tokens", b"null"),
        ("anthropic_messages", "messages", b'"x"'),
        ("gemini_generate", "generationConfig", b'{"candidateCount":1000}'),
        ("gemini_generate", "generationConfig", b'{"maxOutputTokens":1e999}'),
        ("gemini_generate", "contents", DEEP),
    ],
)
def test_a_count_that_no_budget_could_cover_is_refused_by_name(name, field, value, gateway, ask):
    path, body, _ = PROTOCOLS[name]
    reached = len(gateway.simulator.attempts())
    status, said = ask(path, with_field(body, field, value))
    assert (status, code_of(name, said)) == (400, "bad_request"), said
    assert len(gateway.simulator.attempts()) == reached


@pytest.mark.parametrize("name", [name for name in PROTOCOLS if "gemini" not in name])
def test_a_model_that_nobody_serves_is_named(name, ask):
    path, body, _ = PROTOCOLS[name]
    status, said = ask(path, with_field(body, "model", b'"gpt-99"'))
    assert (status, code_of(name, said)) == (404, "model_not_found")
    assert b"gpt-99" in said


def test_an_idempotency_key_of_another_tenant_says_nothing(gateway, ask):
    stranger = key(gateway.folder, "--tenant", "stranger")["key"]
    mine, theirs = b"what I asked", b"what they asked"
    path, body, _ = PROTOCOLS["openai_chat"]

    def asked(text, token):
        sent = {**body, "messages": [{"role": "user", "content": text.decode()}]}
        return ask(path, json.dumps(sent), token, **{"idempotency-key": "once"})

    until(lambda: b"invalid_key" not in ask(path, b"{}", stranger)[1])  # within a second
    assert asked(mine, None)[0] == 200
    assert asked(mine, None) == asked(mine, None)  # replayed, with the same id
    status, said = asked(theirs, stranger)
    assert status == 200
    assert said != asked(mine, None)[1]
    status, said = asked(b"another body", None)
    assert (status, code_of("openai_chat", said)) == (422, "idempotency_mismatch")


def test_an_expired_key_is_told_so(gateway, ask):
    soon = datetime.now(UTC) + timedelta(seconds=3)
    made = key(gateway.folder, "--expires", soon.isoformat())
    path, body, _ = PROTOCOLS["openai_chat"]
    until(lambda: b"expired_key" in ask(path, json.dumps(body), made["key"])[1])
    status, said = ask(path, json.dumps(body), made["key"])
    assert (status, code_of("openai_chat", said)) == (401, "expired_key")
    assert b"a new one" in said


def test_after_all_that_memory_is_bounded_and_the_books_are_right(gateway):
    """The last test of this file: over all that was tried before."""
    assert resident_mb(gateway.gateway_pid()) < 150
    booked = [row for row in rows(gateway.folder) if row["attempt"]]
    reached = {each["id"] for each in gateway.simulator.attempts()}
    assert {f"{row['id']}-{row['attempt']}" for row in booked} == reached


def until(true):
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
