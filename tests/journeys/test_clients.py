"""The vendors' own clients, and the frameworks over them, work against the gateway unchanged."""

import asyncio
import os
import subprocess
import sys
from decimal import Decimal
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors, types
from pydantic import BaseModel

from tests.gateways import rows

SAY = [{"role": "user", "content": "Say something short."}]
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


class Place(BaseModel):
    city: str
    country: str


@pytest.fixture(scope="module")
def openai_client(simulated):
    with openai.OpenAI(
        base_url=f"{simulated.gateway}/v1", api_key=simulated.demo_key, max_retries=1
    ) as client:
        yield client


@pytest.fixture(scope="module")
def anthropic_client(simulated):
    with anthropic.Anthropic(
        base_url=simulated.gateway, api_key=simulated.demo_key, max_retries=1
    ) as client:
        yield client


@pytest.fixture(scope="module")
def google_client(simulated):
    options = types.HttpOptions(base_url=simulated.gateway)
    client = genai.Client(api_key=simulated.demo_key, http_options=options)
    yield client
    client.close()


def test_openai_chats_and_the_ledger_has_what_it_cost(openai_client, simulated):
    raw = openai_client.chat.completions.with_raw_response.create(
        model="sim-small", messages=SAY, max_tokens=30
    )
    answer = raw.parse()
    assert answer.choices[0].message.content
    booked = rows(simulated.folder, f"id={raw.headers['x-farthing-request-id']}")
    assert len(booked) == 1
    assert Decimal(booked[0]["effective_usd"]) == Decimal(raw.headers["x-farthing-cost-usd"])
    assert booked[0]["response_id"] == answer.id
    assert booked[0]["usage"]["input_fresh"] == answer.usage.prompt_tokens


def test_openai_streams_without_a_usage_chunk_that_nobody_asked_for(openai_client, simulated):
    with openai_client.chat.completions.create(
        model="sim-small", messages=SAY, max_tokens=30, stream=True
    ) as stream:
        chunks = list(stream)
    assert all(chunk.choices for chunk in chunks)
    booked = rows(simulated.folder, f"response_id={chunks[0].id}")
    assert booked[0]["usage"]["output_visible"] > 0


def test_openai_gets_the_usage_chunk_that_it_asked_for(openai_client):
    with openai_client.chat.completions.create(
        model="sim-small",
        messages=SAY,
        max_tokens=30,
        stream=True,
        stream_options={"include_usage": True},
    ) as stream:
        chunks = list(stream)
    assert chunks[-1].usage is not None


def test_openai_calls_tools_and_keeps_to_a_schema(openai_client):
    called = openai_client.chat.completions.create(
        model="sim-small", messages=SAY, tools=[WEATHER], tool_choice="required", max_tokens=200
    )
    assert called.choices[0].message.tool_calls[0].function.name == "weather"
    shaped = openai_client.chat.completions.parse(
        model="sim-small", messages=SAY, response_format=Place, max_tokens=400
    )
    assert isinstance(shaped.choices[0].message.parsed, Place)


def test_openai_responses_whole_and_streamed(openai_client):
    whole = openai_client.responses.create(model="sim-small", input="Hi", max_output_tokens=40)
    assert whole.output_text
    with openai_client.responses.create(
        model="sim-small", input="Hi", max_output_tokens=40, stream=True
    ) as stream:
        kinds = [event.type for event in stream]
    assert kinds[-1] in {"response.completed", "response.incomplete"}


def test_openai_embeds_and_lists_models(openai_client):
    embedded = openai_client.embeddings.create(model="sim-embed", input=["one", "two"])
    assert len(embedded.data) == 2
    assert {model.id for model in openai_client.models.list()} >= {"sim-small", "sim-large"}


def test_openai_raises_its_own_errors(openai_client, simulated):
    with pytest.raises(openai.NotFoundError) as unknown:
        openai_client.chat.completions.create(model="no-such-model", messages=SAY)
    assert unknown.value.code == "model_not_found"
    stranger = openai_client.with_options(api_key="fk_nobody_nothing")
    with pytest.raises(openai.AuthenticationError) as unauthorised:
        stranger.chat.completions.create(model="sim-small", messages=SAY)
    assert unauthorised.value.code == "invalid_key"
    with pytest.raises(openai.BadRequestError):
        openai_client.chat.completions.create(model="sim-small", messages=SAY, n=1000)


def test_openai_retries_what_a_provider_could_not_do(openai_client):
    with pytest.raises(openai.InternalServerError):
        openai_client.chat.completions.create(
            model="sim-small", messages=SAY, extra_headers={"x-sim-error": "500"}
        )


def test_anthropic_messages_whole_streamed_and_counted(anthropic_client, simulated):
    whole = anthropic_client.messages.create(model="sim-medium", max_tokens=50, messages=SAY)
    assert whole.content[0].text
    with anthropic_client.messages.stream(
        model="sim-medium", max_tokens=50, messages=SAY
    ) as stream:
        last = stream.get_final_message()
    assert last.usage.output_tokens > 0
    counted = anthropic_client.messages.count_tokens(model="sim-medium", messages=SAY)
    assert counted.input_tokens > 0
    booked = rows(simulated.folder, f"response_id={last.id}")
    assert booked[0]["usage"]["output_visible"] == last.usage.output_tokens


def test_anthropic_raises_its_own_errors(anthropic_client):
    with pytest.raises(anthropic.NotFoundError):
        anthropic_client.messages.create(model="no-such-model", max_tokens=5, messages=SAY)
    stranger = anthropic_client.with_options(api_key="fk_nobody_nothing")
    with pytest.raises(anthropic.AuthenticationError):
        stranger.messages.create(model="sim-small", max_tokens=5, messages=SAY)


def test_google_generates_whole_and_streamed(google_client, simulated):
    config = types.GenerateContentConfig(max_output_tokens=40)
    whole = google_client.models.generate_content(model="sim-small", contents="Hi", config=config)
    assert whole.text
    parts = list(
        google_client.models.generate_content_stream(
            model="sim-small", contents="Hi", config=config
        )
    )
    assert parts[-1].usage_metadata.candidates_token_count > 0
    assert rows(simulated.folder, f"response_id={whole.response_id}")


def test_anthropic_and_google_list_models_in_their_own_ways(anthropic_client, google_client):
    assert {model.id for model in anthropic_client.models.list()} >= {"sim-small", "sim-large"}
    with pytest.raises(anthropic.NotFoundError) as unknown:
        anthropic_client.models.retrieve("no-such-model")
    assert unknown.value.body["error"]["type"] == "not_found_error"
    listed = {model.name: model for model in google_client.models.list()}
    assert set(listed) >= {"models/sim-small", "models/sim-large"}
    found = google_client.models.get(model="sim-small")
    assert found.name == "models/sim-small"
    assert {"generateContent", "countTokens"} <= set(found.supported_actions)
    with pytest.raises(errors.ClientError) as missing:
        google_client.models.get(model="no-such-model")
    assert missing.value.status == "NOT_FOUND"


def test_google_raises_its_own_errors(google_client):
    with pytest.raises(errors.ClientError) as unknown:
        google_client.models.generate_content(model="no-such-model", contents="Hi")
    assert unknown.value.code == 404


def test_a_caller_that_cancels_is_booked_as_cancelled(simulated):
    async def leave() -> None:
        async with openai.AsyncOpenAI(
            base_url=f"{simulated.gateway}/v1", api_key=simulated.demo_key
        ) as client:
            asking = asyncio.create_task(
                client.chat.completions.create(
                    model="sim-small",
                    messages=SAY,
                    max_tokens=30,
                    extra_headers={"x-sim-latency-ms": "1500", "x-farthing-feature": "leaving"},
                )
            )
            await asyncio.sleep(0.6)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        await asyncio.sleep(1.5)

    asyncio.run(leave())
    booked = rows(simulated.folder, "feature=leaving")
    assert [row["status"] for row in booked] == ["cancelled"]
    assert Decimal(booked[0]["effective_usd"]) > 0


def test_langchain_and_pydantic_ai_work(simulated):
    """In a process of its own: they leave event loops and connections open at its end."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.journeys.frameworks", simulated.gateway, simulated.demo_key],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
