"""Every protocol that the registry finds keeps its promises, on answers as providers send them."""

import json

import pytest
import yaml
from anthropic.types import ErrorResponse
from google.genai.errors import APIError
from openai.types import ErrorObject

from farthing.registry import PROTOCOLS, plugins
from farthing.testing.protocols import CHECKS, Sample
from tests.conftest import HOME

FOUND = {protocol.name: protocol for protocol in plugins(PROTOCOLS)}
GOLDEN = yaml.safe_load((HOME / "tests" / "golden" / "streams.yaml").read_text())
SAY = [{"role": "user", "content": "Hi"}]
TEXT = {"parts": [{"text": "Hi"}]}


def openai(told):
    ErrorObject.model_validate(told["error"], strict=True)


def anthropic(told):
    if told["error"]["type"] == "request_too_large":  # in its reference, not in its SDK's types
        return
    ErrorResponse.model_validate(told, strict=True)


def google(told):
    error = APIError(told["error"]["code"], told)
    assert (error.message, error.status) == (told["error"]["message"], told["error"]["status"])


# A request that is right, and the shape of the vendor's errors.
REQUESTS = {
    "openai_chat": (
        {"model": "m", "messages": SAY, "max_tokens": 9, "stream": True, "metadata": {"a": "b"}},
        openai,
    ),
    "openai_completions": ({"model": "m", "prompt": "Hi", "max_tokens": 9}, openai),
    "openai_embeddings": ({"model": "m", "input": ["Hi"]}, openai),
    "openai_responses": (
        {"model": "m", "input": "Hi", "max_output_tokens": 16, "reasoning": {"effort": "low"}},
        openai,
    ),
    "anthropic_messages": (
        {"model": "m", "max_tokens": 9, "messages": SAY, "metadata": {"user_id": "u"}},
        anthropic,
    ),
    "anthropic_count_tokens": ({"model": "m", "messages": SAY}, anthropic),
    "gemini_generate": (
        {"contents": [TEXT], "generationConfig": {"maxOutputTokens": 9, "candidateCount": 1}},
        google,
    ),
    "gemini_embed": ({"content": TEXT}, google),
    "gemini_embed_batch": ({"requests": [{"model": "models/m", "content": TEXT}]}, google),
    "gemini_count_tokens": ({"contents": [TEXT]}, google),
}


def sample_of(name):
    """Ours are here; one of another package brings its own, as `sample`."""
    if name not in REQUESTS:
        return FOUND[name].sample
    body, shape = REQUESTS[name]
    answers = tuple(
        case["sent"].encode()
        for case in GOLDEN
        if case["protocol"] == name and case.get("complete", True) and "usage" in case
    )
    model = "m" if name.startswith("gemini") else None
    return Sample(request=json.dumps(body).encode(), answers=answers, model=model, shape=shape)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", FOUND)
def test_a_protocol_keeps_its_promises(name, check):
    check(FOUND[name], sample_of(name))


def test_every_protocol_of_ours_has_a_sample():
    assert set(REQUESTS) <= set(FOUND)
