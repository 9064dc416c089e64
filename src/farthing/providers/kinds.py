"""The upstreams that farthing knows: where each is, how it takes a key, what it speaks where."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Literal
from urllib.parse import quote

import msgspec

from farthing.domain.errors import Refused
from farthing.providers.protocol import Place

Auth = Literal["bearer", "api-key", "x-api-key", "x-goog-api-key"]

_OPENAI = {
    "openai_chat": "/chat/completions",
    "openai_completions": "/completions",
    "openai_embeddings": "/embeddings",
}
_RESPONSES = _OPENAI | {"openai_responses": "/responses"}
_ANTHROPIC = {
    "anthropic_messages": "/v1/messages",
    "anthropic_count_tokens": "/v1/messages/count_tokens",
    "openai_chat": "/v1/chat/completions",
}
_NATIVE_GEMINI = {
    "gemini_generate": "/v1beta/models/{model}:generateContent",
    "gemini_embed": "/v1beta/models/{model}:embedContent",
    "gemini_embed_batch": "/v1beta/models/{model}:batchEmbedContents",
    "gemini_count_tokens": "/v1beta/models/{model}:countTokens",
}
_GEMINI = _NATIVE_GEMINI | {
    "openai_chat": "/v1beta/openai/chat/completions",
    "openai_embeddings": "/v1beta/openai/embeddings",
}
_SIMULATOR = {
    **_ANTHROPIC,
    **{protocol: f"/v1{path}" for protocol, path in _RESPONSES.items()},
    **_NATIVE_GEMINI,
}
# Tiers of another price that a single call can ask for; what asks in files, for a day later, is
# none of them. Anthropic has no cheaper one, Groq's `flex` costs the same.
# https://platform.openai.com/docs/guides/flex-processing
# https://ai.google.dev/gemini-api/docs/flex-inference
_NO_TIERS: Mapping[str, tuple[str, ...]] = MappingProxyType({})
_OPENAI_TIERS = {"openai_chat": ("flex", "priority"), "openai_responses": ("flex", "priority")}
_GEMINI_TIERS = {"gemini_generate": ("flex", "priority")}
_SIMULATED_TIERS = {"openai_chat": ("flex",), "openai_responses": ("flex",)}
_VERSIONS = ("/v1beta", "/v1")

# Headers of a caller that go on to the provider: an allowlist, for one that is forgotten breaks a
# feature where somebody notices, and one that slips through leaks an address, a cookie or a key
# where nobody does. Not here on purpose: openai-organization, openai-project and
# x-goog-user-project choose who is billed, which farthing.toml does; accept-encoding, since usage
# must be read; idempotency-key, since a second attempt is another call.
_PASSED = frozenset(
    {
        b"accept",
        b"user-agent",
        b"anthropic-version",
        b"anthropic-beta",
        b"openai-beta",
        b"x-goog-api-client",
        b"x-client-request-id",
        b"http-referer",  # OpenRouter: which app calls
        b"x-title",
    }
)
_PASSED_PREFIXES = (b"x-stainless-", b"x-sim-")  # what the SDKs say of themselves; the simulator's


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of upstream. `base_url` is None where only the user knows it."""

    name: str
    base_url: str | None
    auth: Auth = "bearer"
    speaks: Mapping[str, str] = MappingProxyType(_OPENAI)  # protocol → path under the base URL
    priced_as: str | None  # a provider in the price list; None: as the user says
    cap_field: str = "max_tokens"  # what chat calls a cap that the caller did not set
    usage_option: bool = True  # takes stream_options; without it: reports usage unasked
    needs_key: bool = True
    tiers: Mapping[str, tuple[str, ...]] = _NO_TIERS  # protocol → what `service_tier` may ask for

    def target(
        self, protocol: str, model: str, *, stream: bool = False, events: bool = True
    ) -> bytes:
        """The path under the base URL, with a query where one is needed. See `joined`.

        `events`: a stream in server-sent events, which Gemini is told here (`alt=sse`). Raises
        Refused where this kind does not speak the protocol.
        """
        path = self.speaks.get(protocol)
        if path is None:
            known = ", ".join(sorted(self.speaks))
            raise Refused(f"Providers of kind {self.name!r} do not speak {protocol}, but {known}.")
        if "{" not in path:
            return path.encode()
        if stream:
            path = path.replace(":generateContent", ":streamGenerateContent")
            path += "?alt=sse" if events else ""
        return _with_model(path, model)

    def credentials(self, key: str, protocol: str) -> tuple[bytes, bytes] | None:
        """The header that carries the provider's key; None where there is none to send."""
        if not key:
            return None
        if self.auth == "bearer" or (protocol.startswith("openai_") and self.auth != "api-key"):
            return b"authorization", b"Bearer " + key.encode()
        return self.auth.encode(), key.encode()


def speaking(places: Mapping[str, Place]) -> Mapping[str, Kind]:
    """The kinds that there are, with the protocols of other packages that they say they speak."""
    found = dict(KINDS)
    for protocol, place in places.items():
        for name in place.speaks.keys() & found.keys():
            speaks = {protocol: place.speaks[name], **found[name].speaks}
            found[name] = msgspec.structs.replace(found[name], speaks=MappingProxyType(speaks))
    return found


def joined(base_path: bytes, target: bytes) -> bytes:
    """A target under a base URL's path. A version that both name is there once."""
    base = base_path.rstrip(b"/")
    for version in _VERSIONS:
        mark = version.encode()
        if base.endswith(mark) and target.startswith(mark + b"/"):
            return base + target[len(mark) :]
    return base + target


def is_passed(name: bytes) -> bool:
    """Whether a caller's header (its name in lower case) goes on to the provider."""
    return name in _PASSED or name.startswith(_PASSED_PREFIXES)


@lru_cache(maxsize=4096)  # bounded: a model's name may come from a caller
def _with_model(path: str, model: str) -> bytes:
    return path.replace("{model}", quote(model.removeprefix("models/"), safe="")).encode()


_TABLE = (
    Kind(
        name="openai",
        base_url="https://api.openai.com/v1",
        priced_as="openai",
        speaks=_RESPONSES,
        cap_field="max_completion_tokens",
        tiers=_OPENAI_TIERS,
    ),
    Kind(
        name="azure",  # https://NAME.openai.azure.com/openai/v1
        base_url=None,
        priced_as="azure",
        auth="api-key",
        speaks=_RESPONSES,
        cap_field="max_completion_tokens",
        tiers=_OPENAI_TIERS,
    ),
    Kind(
        name="anthropic",
        base_url="https://api.anthropic.com",
        priced_as="anthropic",
        auth="x-api-key",
        speaks=_ANTHROPIC,
    ),
    Kind(
        name="gemini",
        base_url="https://generativelanguage.googleapis.com",
        priced_as="google",
        auth="x-goog-api-key",
        speaks=_GEMINI,
        tiers=_GEMINI_TIERS,
    ),
    Kind(name="together", base_url="https://api.together.xyz/v1", priced_as="together"),
    Kind(
        name="mistral",
        base_url="https://api.mistral.ai/v1",
        priced_as="mistral",
        usage_option=False,
    ),
    Kind(
        name="groq",
        base_url="https://api.groq.com/openai/v1",
        priced_as="groq",
        speaks=_RESPONSES,
    ),
    Kind(
        name="deepseek",
        base_url="https://api.deepseek.com",
        priced_as="deepseek",
        speaks=_OPENAI | {"anthropic_messages": "/anthropic/v1/messages"},
    ),
    Kind(
        name="openrouter",
        base_url="https://openrouter.ai/api/v1",
        priced_as="openrouter",
        speaks=_RESPONSES | {"anthropic_messages": "/messages"},
    ),
    Kind(
        name="vllm",
        base_url="http://127.0.0.1:8000/v1",
        priced_as=None,
        speaks=_RESPONSES,
        needs_key=False,
    ),
    Kind(name="ollama", base_url="http://127.0.0.1:11434/v1", priced_as=None, needs_key=False),
    Kind(
        name="openai-compatible",
        base_url=None,
        priced_as=None,
        speaks=_RESPONSES,
        needs_key=False,
    ),
    Kind(
        name="simulator",
        base_url="http://simulator.invalid",  # in process, unless the user runs one elsewhere
        priced_as="simulator",
        speaks=_SIMULATOR,
        needs_key=False,
        tiers=_SIMULATED_TIERS,
    ),
)
KINDS: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in _TABLE})
