"""A method and a path say which protocol a caller speaks."""

import pytest

from farthing.providers.paths import MODELS, find


@pytest.mark.parametrize(
    ("path", "protocol"),
    [
        ("/v1/chat/completions", "openai_chat"),
        ("/chat/completions", "openai_chat"),
        ("/v1/v1/messages", "anthropic_messages"),
        ("/v1/responses", "openai_responses"),
        ("/v1/embeddings", "openai_embeddings"),
        ("/v1/completions", "openai_completions"),
        ("/v1/messages", "anthropic_messages"),
        ("/v1/messages/count_tokens", "anthropic_count_tokens"),
    ],
)
def test_a_call_is_known_by_its_path(path, protocol):
    found = find("POST", path)
    assert (found.protocol, found.model, found.refusal) == (protocol, None, None)


@pytest.mark.parametrize("version", ["/v1", "/v1beta", "/v1alpha"])
def test_gemini_names_the_model_and_the_stream_in_the_path(version):
    found = find("POST", f"{version}/models/gemini-3-pro:streamGenerateContent")
    assert (found.protocol, found.model, found.stream) == ("gemini_generate", "gemini-3-pro", True)
    found = find("POST", f"{version}/models/gemini-3-pro:generateContent")
    assert (found.model, found.stream) == ("gemini-3-pro", False)
    assert find("POST", f"{version}/models/m:countTokens").protocol == "gemini_count_tokens"
    assert find("POST", f"{version}/models/m:embedContent").protocol == "gemini_embed"


def test_models_are_listed_and_looked_up():
    assert find("GET", "/v1/models").protocol == MODELS
    assert find("GET", "/v1/models").model is None
    assert find("GET", "/v1/models/gpt-5").model == "gpt-5"
    assert find("GET", "/v1/models/ft:gpt-5:acme").model == "ft:gpt-5:acme"
    assert find("GET", "/v1/models/meta/llama-3").model == "meta/llama-3"
    assert find("GET", "/v1/models").shape == "openai_chat"
    for path in ("/v1beta/models", "/v1beta/models/gemini-3-pro", "/v1alpha/models"):
        assert find("GET", path).shape == "gemini_generate"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/chat",
        "/v1/audio/speech",
        "/v1beta/models/m:predict",
        "/v1beta/models/",
        "/x/models/m:generateContent",
        "/v1/messages/../messages",
    ],
)
def test_anything_else_is_not_there(path):
    refusal = find("POST", path).refusal
    assert refusal is not None
    assert (refusal.status, refusal.code) == (404, "not_found")


def test_a_wrong_method_is_told_which_one_is_right():
    for method, path, right in (
        ("GET", "/v1/messages", "POST"),
        ("POST", "/v1/models", "GET"),
        ("DELETE", "/v1/models/x", "GET"),
        ("GET", "/v1beta/models/m:generateContent", "POST"),
    ):
        refusal = find(method, path).refusal
        assert refusal is not None
        assert (refusal.status, refusal.code) == (405, "method_not_allowed")
        assert right in refusal.message


def test_an_error_takes_the_shape_of_the_protocol_that_the_path_hints_at():
    assert find("POST", "/v1beta/models/m:predict").protocol == "gemini_generate"
    assert find("POST", "/v1/messages/batches").protocol == "anthropic_messages"
    assert find("POST", "/nowhere").protocol == "openai_chat"
