"""The quick readers agree with the full ones on whatever they do not leave to them."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.domain.errors import BadInput
from farthing.providers import anthropic, gemini, openai_chat, openai_responses, usual

counts = st.none() | st.integers(0, 2000) | st.just(-1) | st.just(10**13) | st.just("7")
few = st.integers(0, 50) | counts
maybe = st.sampled_from([None, "", "default", "Flex", "batch"])
providers = st.sampled_from([None, "openai", "x-ai", "perplexity", "anthropic", "google"])


def some(**fields):
    """An object with any of the fields, and now and then one that nobody expects."""
    return st.fixed_dictionaries({}, optional=fields | {"unexpected": st.just(1)})


CHAT = some(
    prompt_tokens=counts,
    completion_tokens=counts,
    total_tokens=counts,
    prompt_tokens_details=st.none()
    | some(cached_tokens=few, cache_write_tokens=few, audio_tokens=few),
    completion_tokens_details=st.none()
    | some(reasoning_tokens=few, audio_tokens=few, rejected_prediction_tokens=few),
    cost=st.just(0.5),
    cached_tokens=few,
    queue_time=st.floats(0, 1),
)
RESPONSE = some(
    input_tokens=counts,
    output_tokens=counts,
    input_tokens_details=st.none() | some(cached_tokens=few, cache_write_tokens=few),
    output_tokens_details=st.none() | some(reasoning_tokens=few),
)
ITEMS = st.lists(
    st.fixed_dictionaries({"type": st.sampled_from(["message", "web_search_call", 5])}), max_size=2
)
ANTHROPIC = some(
    input_tokens=counts,
    output_tokens=counts,
    cache_creation_input_tokens=few,
    cache_read_input_tokens=few,
    cache_creation=st.none() | some(ephemeral_5m_input_tokens=few, ephemeral_1h_input_tokens=few),
    output_tokens_details=st.none() | some(thinking_tokens=few),
    service_tier=maybe,
    inference_geo=st.sampled_from([None, "", "us", "global"]),
    server_tool_use=st.none() | some(web_search_requests=few),
    speed=st.just("fast"),
)
MODALITIES = st.lists(
    st.fixed_dictionaries({"modality": st.sampled_from(["TEXT", "AUDIO"]), "tokenCount": few}),
    max_size=2,
)
GEMINI = some(
    promptTokenCount=counts,
    candidatesTokenCount=counts,
    thoughtsTokenCount=few,
    cachedContentTokenCount=few,
    toolUsePromptTokenCount=few,
    promptTokensDetails=MODALITIES,
    candidatesTokensDetails=MODALITIES,
)


def agree(quick, full):
    """The quick reader says nothing, or what the full one says."""
    if quick is None:
        return
    try:
        assert quick == full()
    except BadInput as error:
        raise AssertionError(f"the full reader refuses: {error}") from error


@given(usage=CHAT, tier=maybe, provider=providers)
@settings(max_examples=150, deadline=None)
def test_chat(usage, tier, provider):
    answer = {"id": "c", "model": "m", "service_tier": tier, "usage": usage}
    text = json.dumps(answer).encode()
    agree(usual.chat(text, provider), lambda: openai_chat.read(answer, provider))


@given(
    usage=some(prompt_tokens=counts, total_tokens=counts, completion_tokens=counts),
    provider=providers,
)
@settings(max_examples=100, deadline=None)
def test_embeddings(usage, provider):
    answer = {"model": "e", "data": [], "usage": usage}
    text = json.dumps(answer).encode()
    agree(usual.embeddings(text, provider), lambda: openai_chat.read_embeddings(answer, provider))


@given(usage=RESPONSE, tier=maybe, items=ITEMS, provider=providers)
@settings(max_examples=150, deadline=None)
def test_responses(usage, tier, items, provider):
    answer = {"id": "r", "model": "", "service_tier": tier, "usage": usage, "output": items}
    text = json.dumps(answer).encode()
    agree(usual.response(text, provider), lambda: openai_responses.read(answer, provider))


@given(first=ANTHROPIC, later=st.none() | ANTHROPIC, provider=providers)
@settings(max_examples=200, deadline=None)
def test_messages(first, later, provider):
    answer = {"id": "m", "type": "message", "model": "c", "usage": first}
    said = {name: value for name, value in (later or {}).items() if value is not None}
    quick = usual.message(
        json.dumps(answer).encode(), json.dumps(later).encode() if later else b"", provider
    )
    agree(quick, lambda: anthropic.read(answer | {"usage": first | said}, provider))


@given(usage=GEMINI, provider=providers)
@settings(max_examples=150, deadline=None)
def test_gemini(usage, provider):
    answer = {"modelVersion": "g", "responseId": "r", "usageMetadata": usage}
    text = json.dumps(answer).encode()
    agree(usual.generated(text, provider), lambda: gemini.read(answer, provider))


def test_the_usual_answers_are_usual():
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    assert usual.chat(json.dumps({"usage": usage}).encode(), "openai") is not None
    usage = {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}
    assert usual.response(json.dumps({"usage": usage}).encode(), "openai") is not None
    assert usual.message(b'{"usage":{"input_tokens":5,"output_tokens":2}}', b"", None) is not None
    assert usual.generated(b'{"usageMetadata":{"promptTokenCount":5}}', None) is not None
