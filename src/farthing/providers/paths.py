"""Which protocol a caller speaks, from the method and path of its request."""

from __future__ import annotations

import msgspec

from farthing.providers.protocol import Refusal

MODELS = "models"  # the list of models, or one of them: not a protocol of `protocols/`

_CALLS = {
    "/chat/completions": "openai_chat",
    "/completions": "openai_completions",
    "/responses": "openai_responses",
    "/embeddings": "openai_embeddings",
    "/messages": "anthropic_messages",
    "/messages/count_tokens": "anthropic_count_tokens",
}
ACTIONS = {  # Gemini's, by what follows the colon: the protocol, and whether it streams
    "generateContent": ("gemini_generate", False),
    "streamGenerateContent": ("gemini_generate", True),
    "countTokens": ("gemini_count_tokens", False),
    "embedContent": ("gemini_embed", False),
    "batchEmbedContents": ("gemini_embed_batch", False),
}


class Inbound(msgspec.Struct, frozen=True):
    """What a request is for. `refusal`: nothing is served there; `protocol` says in which shape."""

    protocol: str
    model: str | None = None  # where the path names it
    stream: bool = False
    refusal: Refusal | None = None
    lists: str = "openai_chat"  # of `MODELS`: whose list the path asks for

    @property
    def shape(self) -> str:
        """The protocol in whose shape errors come."""
        return self.lists if self.protocol is MODELS else self.protocol


def find(method: str, path: str) -> Inbound:
    """`path` is decoded and without its query."""
    found = _FIXED.get(path)
    if found is None:
        found = _named(path)
    if method == "POST" and found.protocol is not MODELS:
        return found
    if found.refusal is not None or (method in {"GET", "HEAD"} and found.protocol is MODELS):
        return found
    return _wrong_method(found, path)


def _named(path: str) -> Inbound:
    """A path with a model in it, under whatever version."""
    head, mark, tail = path.partition("/models/")
    if not mark or head not in {"", "/v1", "/v1beta", "/v1alpha"} or not tail:
        return _unknown(path)
    model, colon, action = tail.rpartition(":")
    if colon and action in ACTIONS and model:
        protocol, stream = ACTIONS[action]
        return Inbound(protocol, model, stream)
    if head in {"/v1beta", "/v1alpha"} and colon:
        return _unknown(path)  # an action that we do not know
    return Inbound(MODELS, tail, lists=_shape(head))


def _unknown(path: str) -> Inbound:
    message = (
        f"There is nothing at {path[:200]!r}. farthing takes the paths of OpenAI "
        "(/v1/chat/completions, /v1/responses, /v1/embeddings, /v1/completions, /v1/models), "
        "Anthropic (/v1/messages) and Gemini (/v1beta/models/MODEL:generateContent)."
    )
    refusal = Refusal(status=404, code="not_found", message=message)
    return Inbound(_shape(path), refusal=refusal)


def _wrong_method(found: Inbound, path: str) -> Inbound:
    method = "GET" if found.protocol is MODELS else "POST"
    message = f"{path[:200]} takes {method} alone."
    refusal = Refusal(status=405, code="method_not_allowed", message=message)
    return Inbound(found.protocol, found.model, refusal=refusal, lists=found.lists)


def _shape(path: str) -> str:
    if path.startswith(("/v1beta", "/v1alpha")):
        return "gemini_generate"
    return "anthropic_messages" if "/messages" in path else "openai_chat"


def _fixed() -> dict[str, Inbound]:
    """With /v1, without it, and with one too many: base URLs are given all three ways."""
    table = {
        f"{version}{path}": Inbound(protocol)
        for version in ("", "/v1", "/v1/v1")
        for path, protocol in _CALLS.items()
    }
    models = ("/models", "/v1/models", "/v1beta/models", "/v1alpha/models")
    return table | {path: Inbound(MODELS, lists=_shape(path)) for path in models}


_FIXED = _fixed()
