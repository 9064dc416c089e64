"""The vendors' own clients send what we read, and read what we send."""

from importlib import import_module
from pathlib import Path

import anthropic
import google.genai
import google.genai.errors
import httpx2 as httpx
import openai
import pytest
import yaml
from google.genai import types as gemini

from farthing.providers.paths import find
from farthing.providers.protocol import Refusal

CASES = {
    case["name"]: case
    for case in yaml.safe_load(
        (Path(__file__).parents[3] / "golden" / "streams.yaml").read_text("utf-8")
    )
}
SPENT = Refusal(status=429, code="budget_exhausted", message="Budget 'search' is spent.")


class Gateway:
    """Answers one client in process with a golden answer or a refusal; keeps what was asked."""

    def __init__(self, answer):
        self.answer, self.asked = answer, []
        self.http = httpx.Client(transport=httpx.MockTransport(self))

    def __call__(self, request):
        found = find(request.method, request.url.path)
        assert found.refusal is None
        protocol = import_module(f"farthing.providers.protocols.{found.protocol}").PROTOCOL
        ask = protocol.read(request.content, found.model, stream=found.stream)
        self.asked.append(ask)
        if isinstance(self.answer, Refusal):
            return self._reply(self.answer.status, protocol.refusal(self.answer), "json")
        meter = protocol.meter(ask, strip_usage=not ask.usage_asked)
        body = meter.feed(CASES[self.answer]["sent"].encode()) + meter.feed(b"")
        assert meter.complete
        return self._reply(200, body, "event-stream" if ask.stream else "json")

    @property
    def ask(self):
        (asked,) = self.asked
        return asked

    def _reply(self, status, body, kind):
        name = "application/json" if kind == "json" else "text/event-stream"
        headers = {"content-type": name, "x-should-retry": "false"}
        return httpx.Response(status, content=body, headers=headers)

    def openai(self):
        return openai.OpenAI(
            api_key="k", base_url="http://farthing/v1", http_client=self.http, max_retries=0
        )

    def anthropic(self):
        return anthropic.Anthropic(
            api_key="k", base_url="http://farthing", http_client=self.http, max_retries=0
        )

    def gemini(self):
        options = gemini.HttpOptions(base_url="http://farthing", httpx_client=self.http)
        return google.genai.Client(api_key="k", http_options=options)


HELLO = [{"role": "user", "content": "Hello"}]


def test_openai_streams_chat():
    gateway = Gateway("chat, usage asked for by us alone")
    chunks = list(
        gateway.openai().chat.completions.create(
            model="gpt-5", messages=HELLO, stream=True, max_completion_tokens=9, temperature=0
        )
    )
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["Hi"]
    ask = gateway.ask
    assert (ask.model, ask.stream, ask.output_cap, ask.usage_asked) == ("gpt-5", True, 9, False)
    assert ask.deterministic
    gateway = Gateway("chat, usage asked for")
    *_, last = gateway.openai().chat.completions.create(
        model="gpt-5", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    assert last.usage.prompt_tokens == 100
    assert gateway.ask.usage_asked


def test_openai_asks_for_responses_embeddings_and_completions():
    gateway = Gateway("responses")
    *_, last = gateway.openai().responses.create(
        model="gpt-5",
        input="Hello",
        stream=True,
        tools=[{"type": "web_search"}],
        max_tool_calls=3,
        max_output_tokens=50,
    )
    assert last.response.usage.output_tokens == 87
    assert (gateway.ask.windows, gateway.ask.extras) == (4, {"web_searches": 3})
    gateway = Gateway("embeddings")
    gateway.openai().embeddings.create(model="e", input=["a", "b"], encoding_format="float")
    assert not gateway.ask.has_output
    gateway = Gateway("completions")
    texts = gateway.openai().completions.create(model="m", prompt="Hello", stream=True, n=2)
    assert [chunk.choices[0].text for chunk in texts] == ["Hi"]
    assert gateway.ask.choices == 2


def test_anthropic_streams_and_counts():
    gateway = Gateway("messages, the split of cache writes is in the start, the counts in the end")
    with gateway.anthropic().messages.stream(
        model="claude-sonnet-5",
        max_tokens=4000,
        messages=HELLO,
        thinking={"type": "enabled", "budget_tokens": 2000},
        metadata={"user_id": "u1"},
        tools=[{"type": "web_search_20250305", "name": "web_search", "max_uses": 2}],
    ) as stream:
        assert stream.get_final_message().usage.output_tokens == 15
    ask = gateway.ask
    assert (ask.output_cap, ask.output_floor, ask.user) == (4000, 2001, "u1")
    assert (ask.windows, ask.extras, ask.unbounded) == (3, {"web_searches": 2}, None)
    gateway = Gateway("messages, counted")
    counted = gateway.anthropic().messages.count_tokens(model="claude", messages=HELLO)
    assert counted.input_tokens == 2095
    assert gateway.ask.operation is None


def test_gemini_generates_streams_counts_and_embeds():
    gateway = Gateway("gemini, in events")
    config = gemini.GenerateContentConfig(
        max_output_tokens=99, candidate_count=2, temperature=0, system_instruction="Be brief."
    )
    *_, last = gateway.gemini().models.generate_content_stream(
        model="gemini-3-flash", contents="Hello", config=config
    )
    assert last.usage_metadata.thoughts_token_count == 30
    ask = gateway.ask
    assert (ask.model, ask.stream, ask.output_cap, ask.choices) == ("gemini-3-flash", True, 99, 2)
    gateway = Gateway("gemini, speech is a modality")
    gateway.gemini().models.generate_content(model="g", contents="Hello")
    assert not gateway.ask.stream
    gateway = Gateway("gemini, counted")
    assert gateway.gemini().models.count_tokens(model="g", contents="Hello").total_tokens == 31
    gateway = Gateway("gemini, embedded")
    gateway.gemini().models.embed_content(model="e", contents="Hello")
    assert (gateway.ask.operation, gateway.ask.model) == ("embeddings", "e")


def test_gemini_asks_for_search():
    gateway = Gateway("gemini, speech is a modality")
    config = gemini.GenerateContentConfig(tools=[gemini.Tool(google_search=gemini.GoogleSearch())])
    gateway.gemini().models.generate_content(model="g", contents="Hello", config=config)
    assert gateway.ask.unbounded == "server_tool"


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (400, "bad_request", openai.BadRequestError),
        (401, "invalid_key", openai.AuthenticationError),
        (403, "model_not_allowed", openai.PermissionDeniedError),
        (404, "model_not_found", openai.NotFoundError),
        (422, "idempotency_mismatch", openai.UnprocessableEntityError),
        (429, "budget_exhausted", openai.RateLimitError),
        (503, "draining", openai.InternalServerError),
    ],
)
def test_openai_raises_its_own_errors(status, code, error):
    client = Gateway(Refusal(status=status, code=code, message="Do this.")).openai()
    for call in (
        lambda: client.chat.completions.create(model="m", messages=HELLO),
        lambda: client.responses.create(model="m", input="Hello"),
    ):
        with pytest.raises(error) as caught:
            call()
        assert caught.value.code == code
        assert caught.value.body["message"] == "Do this."


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (400, "invalid_request_error", anthropic.BadRequestError),
        (401, "authentication_error", anthropic.AuthenticationError),
        (403, "permission_error", anthropic.PermissionDeniedError),
        (404, "not_found_error", anthropic.NotFoundError),
        (429, "rate_limit_error", anthropic.RateLimitError),
        (503, "overloaded_error", anthropic.InternalServerError),
    ],
)
def test_anthropic_raises_its_own_errors(status, kind, error):
    client = Gateway(Refusal(status=status, code="a_code", message="Do this.")).anthropic()
    with pytest.raises(error) as caught:
        client.messages.create(model="m", messages=HELLO, max_tokens=5)
    told = caught.value.body["error"]
    assert (told["type"], told["code"], told["message"]) == (kind, "a_code", "Do this.")


def test_gemini_raises_its_own_errors():
    client = Gateway(SPENT).gemini()
    with pytest.raises(google.genai.errors.ClientError) as caught:
        client.models.generate_content(model="m", contents="Hello")
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
    assert caught.value.details["error"]["details"][0]["reason"] == "budget_exhausted"


def test_a_stream_that_broke_raises_in_the_client():
    refusal = Refusal(status=502, code="upstream_lost", message="The provider hung up.")

    class Breaks(Gateway):
        def __call__(self, request):
            found = find(request.method, request.url.path)
            protocol = import_module(f"farthing.providers.protocols.{found.protocol}").PROTOCOL
            ask = protocol.read(request.content, found.model, stream=found.stream)
            ending = protocol.meter(ask, strip_usage=False).broken(refusal)
            return self._reply(200, ending, "event-stream")

    gateway = Breaks("")
    with pytest.raises(openai.APIError, match="hung up"):
        list(gateway.openai().chat.completions.create(model="m", messages=HELLO, stream=True))
    with pytest.raises(anthropic.APIStatusError, match="hung up"):
        list(
            gateway.anthropic().messages.create(
                model="m", messages=HELLO, max_tokens=5, stream=True
            )
        )
    (event,) = gateway.openai().responses.create(model="m", input="Hello", stream=True)
    assert (event.type, event.code) == ("error", "upstream_lost")
