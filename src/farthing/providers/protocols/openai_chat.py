"""OpenAI chat completions, which nearly every provider speaks."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from farthing.providers import refusals
from farthing.providers.body import (
    ABSENT,
    altered,
    decoded,
    fields_of,
    given,
    hides,
    listed,
    model_name,
    repeats,
    whole,
)
from farthing.providers.conversation import MEDIA, prefix_of, texts, tools_of, turns_of_chat
from farthing.providers.metering import AnswerMeter
from farthing.providers.openai_answers import ChatTeller
from farthing.providers.protocol import NO_LABELS, Ask, Change, Meter, Protocol, Refusal
from farthing.providers.usage_option import StreamOptions, asks, included, options_with

MOST_CHOICES = 128
FALLBACK_MODELS = "fallback_models"
_OURS = frozenset({"function", "custom"})


class _Request(msgspec.Struct):
    model: str
    messages: msgspec.Raw = ABSENT
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    n: int | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: int | float | None = None
    service_tier: str | None = None
    user: str | None = None
    metadata: dict[str, Any] | None = None
    tools: msgspec.Raw = ABSENT
    modalities: list[str] | None = None
    prediction: msgspec.Raw = ABSENT
    web_search_options: msgspec.Raw = ABSENT
    search_parameters: msgspec.Raw = ABSENT
    plugins: msgspec.Raw = ABSENT
    models: msgspec.Raw = ABSENT  # OpenRouter: others that may answer instead


_DECODER = msgspec.json.Decoder(_Request)
_NAMES = tuple(b'"%s"' % name.encode() for name in _Request.__struct_fields__)


class OpenAIChat:
    name = "openai_chat"

    def read(self, body: bytes, model: str | None, *, stream: bool) -> Ask:
        """`web_search_options` and the like have no cap on their rounds: no bound can be given."""
        asked = decoded(_DECODER, body)
        messages, tools = listed(asked.messages, "messages"), bytes(asked.tools)
        cap = _cap(asked)
        unbounded = _unbounded(asked, tools, cap)
        choices = whole(asked.n, "n", 1, MOST_CHOICES) or 1
        streams = bool(asked.stream)
        return Ask(
            protocol=self.name,
            operation="chat",
            model=model_name(asked.model),
            stream=streams,
            output_cap=cap,
            extra_output=_predicted(asked),
            choices=choices,
            deterministic=asked.temperature == 0 and choices == 1 and unbounded is None,
            windows=int(MEDIA(messages) is not None or hides(messages)),
            unbounded=unbounded,
            service_tier=asked.service_tier,
            usage_asked=not streams or asks(asked.stream_options),
            user=asked.user,
            metadata=NO_LABELS if asked.metadata is None else texts(asked.metadata),
            prefix=partial(prefix_of, tools, messages),
            turns=partial(turns_of_chat, messages),
            rewrite=repeats(body, (messages, tools), _NAMES),
        )

    def change(self, body: bytes, change: Change) -> bytes:
        as_asked = change.model is None and change.output_cap is None
        only_usage = change.include_usage and as_asked and change.service_tier is None
        if only_usage and not change.rewrite and b'"stream_options"' not in body:
            return included(body)
        values: dict[str, bytes] = {}
        if change.model is not None:
            values["model"] = msgspec.json.encode(change.model)
        if change.output_cap is not None:
            values |= _capped(fields_of(body), change.output_cap, change.cap_field)
        if change.service_tier is not None:
            values["service_tier"] = msgspec.json.encode(change.service_tier)
        if change.include_usage:
            values["stream_options"] = options_with(body)
        return altered(body, values, rewrite=change.rewrite)

    def meter(self, ask: Ask, *, strip_usage: bool, provider: str | None = None) -> Meter:
        return AnswerMeter(ChatTeller(provider), refusals.openai_event, strip_usage=strip_usage)

    def refusal(self, refusal: Refusal) -> bytes:
        return refusals.openai(refusal)


PROTOCOL: Protocol = OpenAIChat()


def _cap(asked: _Request) -> int | None:
    """The larger of the two names, since nobody knows which one the provider goes by."""
    new = whole(asked.max_completion_tokens, "max_completion_tokens")
    old = whole(asked.max_tokens, "max_tokens")
    return new if old is None or (new is not None and new > old) else old


def _predicted(asked: _Request) -> int:
    """Rejected tokens of a prediction are billed as output, and are no more than its bytes."""
    return len(bytes(asked.prediction)) if given(asked.prediction) else 0


def _unbounded(asked: _Request, tools: bytes, cap: int | None) -> str | None:
    if given(asked.web_search_options) or given(asked.search_parameters) or given(asked.plugins):
        return "server_tool"
    if given(asked.models):
        return FALLBACK_MODELS
    if cap is None and asked.modalities and any(kind != "text" for kind in asked.modalities):
        return "media_output"
    # A tool of another type is the provider's own, and may take several rounds there.
    if tools and any((tool.type or "function") not in _OURS for tool in tools_of(tools)):
        return "server_tool"
    return None


def _capped(fields: dict[str, msgspec.Raw], cap: int, otherwise: str) -> dict[str, bytes]:
    there: list[str] = [name for name in ("max_completion_tokens", "max_tokens") if name in fields]
    return {name: b"%d" % cap for name in there or [otherwise]}
