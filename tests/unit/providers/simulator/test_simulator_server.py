"""The vendors' own clients, sync and async, talk to the simulator over real sockets."""

import json
import socket
import time

import anthropic
import google.genai
import google.genai.errors
import httpx
import openai
import pytest
from pydantic import BaseModel

from tests.unit.providers.simulator.asking import CHAT
from tests.unit.providers.simulator.serving import attempts, serving

ASK = [{"role": "user", "content": "What is a farthing?"}]
TOOL = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


@pytest.fixture(scope="module")
def url():
    with serving("--seed", "7") as url:
        yield url


@pytest.fixture
def chatty(url):
    with openai.OpenAI(base_url=f"{url}/v1", api_key="k") as client:
        yield client


@pytest.fixture
def claude(url):
    with anthropic.Anthropic(base_url=url, api_key="k") as client:
        yield client


@pytest.fixture
def gemini(url):
    client = google.genai.Client(api_key="k", http_options={"base_url": url})
    yield client
    client.close()


def sim(**wishes):
    return {f"x-sim-{name.replace('_', '-')}": str(value) for name, value in wishes.items()}


def test_openai_chat(chatty):
    whole = chatty.chat.completions.create(model="sim-small", messages=ASK)
    stream = chatty.chat.completions.create(
        model="sim-small", messages=ASK, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    said = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert said == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage
    assert whole.system_fingerprint == "simulated"


def test_openai_structured_output(chatty):
    class Trip(BaseModel):
        city: str
        days: int

    parsed = chatty.chat.completions.parse(model="sim-small", messages=ASK, response_format=Trip)
    assert parsed.choices[0].message.parsed == Trip(city="simulated", days=1)
    answer = chatty.responses.parse(model="sim-small", input="?", text_format=Trip)
    assert answer.output_parsed == Trip(city="simulated", days=1)


def test_openai_tools(chatty):
    tools = [{"type": "function", "function": {"name": "weather", "parameters": TOOL}}]
    with chatty.chat.completions.stream(model="sim-small", messages=ASK, tools=tools) as stream:
        message = stream.get_final_completion().choices[0].message
    (call,) = message.tool_calls
    assert json.loads(call.function.arguments) == {"city": "simulated"}
    answered = {"role": "tool", "tool_call_id": call.id, "content": "rain"}
    again = chatty.chat.completions.create(
        model="sim-small", messages=[*ASK, message.model_dump(), answered], tools=tools
    )
    assert again.choices[0].message.content


def test_openai_responses(chatty):
    whole = chatty.responses.create(model="sim-medium", input="?", reasoning={"effort": "low"})
    assert whole.output_text
    assert whole.usage.output_tokens_details.reasoning_tokens > 0
    tools = [{"type": "function", "name": "weather", "parameters": TOOL, "strict": True}]
    with chatty.responses.stream(model="sim-medium", input="?", tools=tools) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert json.loads(final.output[0].arguments) == {"city": "simulated"}
    more = chatty.responses.create(model="sim-medium", input="?", previous_response_id=final.id)
    assert more.usage.input_tokens > final.usage.total_tokens


def test_openai_embeddings_and_models(chatty):
    made = chatty.embeddings.create(model="sim-embed", input=["one two", "one three"])
    assert [len(each.embedding) for each in made.data] == [256, 256]
    assert next(model.id for model in chatty.models.list()) == "sim-small"
    assert chatty.models.retrieve("sim-large").owned_by == "simulator"


def test_openai_errors(chatty):
    with pytest.raises(openai.NotFoundError, match="gpt-4o") as caught:
        chatty.chat.completions.create(model="gpt-4o", messages=ASK)
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as caught:
        chatty.chat.completions.create(model="sim-small", messages=[])
    assert caught.value.param == "messages"
    once = chatty.with_options(max_retries=0)
    for status, kind in ((429, openai.RateLimitError), (503, openai.InternalServerError)):
        with pytest.raises(kind):
            once.responses.create(model="sim-small", input="?", extra_headers=sim(error=status))


def test_openai_retries_reach_the_provider(chatty, url):
    before = attempts(url)["count"]
    with pytest.raises(openai.RateLimitError):
        chatty.with_options(max_retries=1).chat.completions.create(
            model="sim-small", messages=ASK, extra_headers=sim(error=429)
        )
    assert attempts(url)["count"] == before + 2


def test_anthropic(claude):
    whole = claude.messages.create(model="sim-large", max_tokens=500, messages=ASK)
    assert whole.content[0].text.startswith("Simulated")
    with claude.messages.stream(model="sim-large", max_tokens=500, messages=ASK) as stream:
        said = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert said == whole.content[0].text
    assert final.usage.output_tokens == whole.usage.output_tokens
    counted = claude.messages.count_tokens(model="sim-large", messages=ASK)
    assert counted.input_tokens == whole.usage.input_tokens
    assert claude.models.retrieve("sim-large").max_tokens == 16_384
    assert next(model.id for model in claude.models.list()) == "sim-small"


def test_anthropic_thinks_caches_and_calls_tools(claude):
    ask = {
        "model": "sim-large",
        "max_tokens": 4000,
        "messages": ASK,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "system": [{"type": "text", "text": "b" * 8000, "cache_control": {"type": "ephemeral"}}],
        "tools": [{"name": "weather", "input_schema": TOOL}],
    }
    wrote = claude.messages.create(**ask)
    with claude.messages.stream(**ask) as stream:
        read = stream.get_final_message()
    for message in (wrote, read):
        assert [block.type for block in message.content] == ["thinking", "tool_use"]
        assert message.content[1].input == {"city": "simulated"}
        assert message.stop_reason == "tool_use"
    assert wrote.usage.cache_creation_input_tokens == read.usage.cache_read_input_tokens > 2000


def test_anthropic_errors(claude):
    with pytest.raises(anthropic.NotFoundError, match="not_found_error"):
        claude.messages.create(model="claude-x", max_tokens=5, messages=ASK)
    once = claude.with_options(max_retries=0)
    with pytest.raises(anthropic.APIStatusError, match="overloaded_error"):
        once.messages.create(
            model="sim-small", max_tokens=5, messages=ASK, extra_headers=sim(error=529)
        )


def test_gemini(gemini):
    whole = gemini.models.generate_content(
        model="sim-small", contents="?", config={"thinking_config": {"thinking_budget": 100}}
    )
    assert whole.text.startswith("Simulated")
    assert whole.usage_metadata.thoughts_token_count > 0
    chunks = list(gemini.models.generate_content_stream(model="sim-small", contents="?"))
    assert "".join(chunk.text for chunk in chunks).startswith("Simulated")
    assert chunks[-1].usage_metadata.candidates_token_count > 0
    counted = gemini.models.count_tokens(model="sim-small", contents="?")
    assert counted.total_tokens == chunks[-1].usage_metadata.prompt_token_count
    made = gemini.models.embed_content(model="sim-embed", contents=["one", "two"])
    assert [len(each.values) for each in made.embeddings] == [256, 256]
    assert next(iter(gemini.models.list())).name == "models/sim-small"


def test_gemini_tools_and_structured_output(gemini):
    class Trip(BaseModel):
        city: str
        days: int

    shaped = gemini.models.generate_content(
        model="sim-small",
        contents="?",
        config={"response_mime_type": "application/json", "response_schema": Trip},
    )
    assert shaped.parsed == Trip(city="simulated", days=1)
    asked = []

    def weather(city: str) -> str:
        """The weather of a city."""
        asked.append(city)
        return "rain"

    answer = gemini.models.generate_content(
        model="sim-small", contents="?", config={"tools": [weather]}
    )
    assert asked == ["simulated"]
    assert answer.text.startswith("Simulated")


def test_gemini_errors(gemini):
    with pytest.raises(google.genai.errors.ClientError, match="NOT_FOUND"):
        gemini.models.generate_content(model="gemini-x", contents="?")
    with pytest.raises(google.genai.errors.ServerError, match="UNAVAILABLE"):
        gemini.models.generate_content(
            model="sim-small", contents="?", config={"http_options": {"headers": sim(error=503)}}
        )


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
async def test_the_asynchronous_clients(url):
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k") as chatty:
        stream = await chatty.chat.completions.create(
            model="sim-small", messages=ASK, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
        assert chunks[-1].usage.completion_tokens > 0
        assert (await chatty.responses.create(model="sim-small", input="?")).output_text
    async with anthropic.AsyncAnthropic(base_url=url, api_key="k") as claude:
        async with claude.messages.stream(
            model="sim-small", max_tokens=99, messages=ASK
        ) as streamed:
            final = await streamed.get_final_message()
        assert final.stop_reason in {"end_turn", "max_tokens"}
    gemini = google.genai.Client(api_key="k", http_options={"base_url": url}).aio
    answers = await gemini.models.generate_content_stream(model="sim-small", contents="?")
    assert [answer async for answer in answers][-1].usage_metadata.total_token_count > 0
    await gemini.aclose()


def test_a_hangup_breaks_the_connection_and_is_billed_all_the_same(chatty, url):
    once = chatty.with_options(max_retries=0)
    with pytest.raises(openai.APIConnectionError):
        once.chat.completions.create(
            model="sim-small", messages=ASK, extra_headers=sim(error="reset")
        )
    stream = once.chat.completions.create(
        model="sim-small", messages=ASK, stream=True, extra_headers=sim(hangup_after=3)
    )
    came = map(next, [stream] * 9)
    assert [next(came).choices[0].index for _ in range(3)] == [0, 0, 0]
    with pytest.raises(openai.APIConnectionError):
        next(came)
    before, last = attempts(url)["attempts"][-2:]
    assert (before["status"], before["usage"]) == (0, None)
    assert last["usage"]["output_visible"] > 0
    assert not last["finished"]
    with pytest.raises(openai.APIConnectionError):
        once.chat.completions.create(
            model="sim-small", messages=ASK, extra_headers=sim(hangup_after=100)
        )


def test_a_hang_lasts_until_the_client_gives_up(chatty):
    once = chatty.with_options(max_retries=0, timeout=0.2)
    with pytest.raises(openai.APITimeoutError):
        once.chat.completions.create(
            model="sim-small", messages=ASK, extra_headers=sim(error="hang")
        )


def test_a_client_that_leaves_has_not_got_all(url):
    with httpx.stream(
        "POST",
        f"{url}{CHAT}",
        json={"model": "sim-small", "messages": ASK, "stream": True},
        headers={"x-farthing-attempt": "left-1", **sim(chunk_ms=5, output_tokens=400)},
    ) as answer:
        next(answer.iter_bytes())
    time.sleep(0.6)  # all of it would have been sent by then
    (attempt,) = [each for each in attempts(url)["attempts"] if each["id"] == "left-1"]
    assert attempt["usage"]["output_visible"] == 400
    assert not attempt["finished"]


def test_the_log_has_an_attempt_before_its_answer_and_outlives_the_server(tmp_path):
    log = tmp_path / "attempts.ndjson"
    body = {"model": "sim-small", "messages": ASK}
    with serving("--log", str(log)) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        for number in range(3):
            headers = {"x-farthing-attempt": f"a{number}"}
            httpx.post(f"{url}{CHAT}", json=body, headers=headers).raise_for_status()
        with socket.create_connection((host, int(port))) as left:  # and one never answered
            text = json.dumps(body)
            left.sendall(
                f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nx-farthing-attempt: a3\r\n"
                f"x-sim-error: hang\r\ncontent-length: {len(text)}\r\n\r\n{text}".encode()
            )
            deadline = time.monotonic() + 5
            while len(lines(log)) < 4 and time.monotonic() < deadline:
                time.sleep(0.01)
    assert [line["id"] for line in lines(log)] == ["a0", "a1", "a2", "a3"]
    assert lines(log)[0]["usage"]["output_visible"] > 0


def lines(log):
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_only_known_keys_are_let_in():
    with serving("--key", "right") as url:
        for key, status in (("right", 200), ("wrong", 401)):
            headers = {"authorization": f"Bearer {key}"}
            body = {"model": "sim-small", "messages": ASK}
            assert httpx.post(f"{url}{CHAT}", json=body, headers=headers).status_code == status
