"""Which protocol an answer is in: from its flavor, its provider, or its shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from farthing.domain.errors import BadInput
from farthing.prices.names import provider_of
from farthing.providers import (
    anthropic,
    bedrock,
    cohere,
    gemini,
    mistral_ocr,
    openai_chat,
    openai_responses,
)
from farthing.providers.reading import Body, Reading

Reader = Callable[[Body, str | None], Reading]
BATCH = {"processing": "batch"}

# What a log calls the protocol → who reads it. `default`, and what is not here, goes by shape.
FLAVORS: Mapping[str, Reader] = {
    "chat": openai_chat.read,
    "chat.completions": openai_chat.read,
    "chat_completions": openai_chat.read,
    "completions": openai_chat.read,
    "embeddings": openai_chat.read_embeddings,
    "responses": openai_responses.read,
    "realtime": openai_responses.read,
    "images": openai_responses.read,
    "decisions": openai_responses.read,
    "systemone": openai_responses.read,
    "transcriptions": openai_responses.read,
    "live": openai_responses.read_seconds,
    "anthropic": anthropic.read,
    "messages": anthropic.read,
    "gemini": gemini.read,
    "generate_content": gemini.read,
    "generatecontent": gemini.read,
    "bedrock": bedrock.read,
    "converse": bedrock.read,
    "cohere": cohere.read,
    "tokens": cohere.read_tokens,
    "ocr": mistral_ocr.read,
    "ocr_annotated": mistral_ocr.read_annotated,
}
# Where a provider means something else by a flavor's name.
_OWN_FLAVORS: Mapping[tuple[str, str], Reader] = {("cohere", "embeddings"): cohere.read}


def read_body(body: Body, provider: str | None = None, api_flavor: str | None = None) -> Reading:
    """Read one answer of a provider. Raises BadInput where it says nothing of usage.

    Takes the answer itself, a line of a batch's output, or the terminal event of a stream.
    Parse JSON numbers as Decimal to keep reported costs as they were written.
    """
    who = provider_of(provider) if provider else None
    answer, context = _unwrapped(body)
    flavor = api_flavor.strip().lower() if api_flavor else "default"
    reader = _OWN_FLAVORS.get((who or "", flavor)) or FLAVORS.get(flavor)
    reading = (reader or _by_shape(answer, who))(answer, who)
    if not context:
        return reading
    return msgspec.structs.replace(
        reading,
        context={**reading.context, **context},
        also=tuple(
            msgspec.structs.replace(run, context={**run.context, **context}) for run in reading.also
        ),
    )


def _by_shape(body: Body, provider: str | None) -> Reader:
    """The fields that only one protocol has, the most telling first."""
    told, meta = _fields(body, "usage"), _fields(body, "meta")
    tests: tuple[tuple[bool, Reader], ...] = (
        ("usageMetadata" in body, gemini.read),
        ("usage_info" in body, mistral_ocr.read),
        ("inputTokens" in told, bedrock.read),
        ("billed_units" in told or "billed_units" in meta, cohere.read),
        ("prompt_tokens" in told, openai_chat.read),
        ("seconds" in told and "input_tokens" not in told, openai_responses.read_seconds),
        (_is_anthropic(body, told, provider), anthropic.read),
        ("input_tokens" in told, openai_responses.read),
    )
    for true, reader in tests:
        if true:
            return reader
    raise BadInput(
        "usage",
        "the answer says nothing about usage that we can read",
        "Import the answer as the provider sent it; of a stream, its last event.",
    )


def _fields(body: Body, name: str) -> Mapping[str, Any]:
    found = body.get(name)
    return found if isinstance(found, Mapping) else {}


def _is_anthropic(body: Body, told: Mapping[str, Any], provider: str | None) -> bool:
    own = ("cache_creation_input_tokens", "cache_read_input_tokens", "server_tool_use")
    if "input_tokens_details" in told or "input_token_details" in told:
        return False
    return (
        provider in {"anthropic", "minimax"}
        or body.get("type") == "message"
        or any(field in told for field in own)
    )


def _unwrapped(body: Body) -> tuple[Body, Mapping[str, str]]:
    """The answer inside a batch line, a stream's event or Cloudflare's envelope."""
    match body:
        case {"response": {"body": Mapping() as answer}}:  # OpenAI batch output
            return answer, BATCH
        case {"result": {"message": Mapping() as answer}}:  # Anthropic batch results
            return answer, BATCH
        case {"response": Mapping() as answer} if "usage" not in body:  # response.completed
            return answer, {}
        case {"message": Mapping() as answer} if "usage" in answer and "usage" not in body:
            return answer, {}
        case {"result": Mapping() as answer} if "usage" not in body:  # Cloudflare
            return answer, {}
    return body, {}
