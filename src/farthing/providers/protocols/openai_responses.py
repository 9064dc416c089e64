"""OpenAI's responses API, with its stored state and the tools that it runs itself."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any, TypedDict

import msgspec

from farthing.domain.errors import BadInput
from farthing.providers import openai_responses, refusals, usual
from farthing.providers.body import (
    ABSENT,
    altered,
    decoded,
    given,
    hides,
    model_name,
    repeats,
    whole,
)
from farthing.providers.conversation import MEDIA, prefix_of, texts, tools_of, turns_of_items
from farthing.providers.metering import AnswerMeter
from farthing.providers.protocol import NO_EXTRAS, NO_LABELS, Ask, Change, Meter, Protocol, Refusal
from farthing.providers.reading import Reading

# Everything else in `tools` runs at the provider, round after round.
_AT_THE_CALLER = frozenset(
    {
        "function",
        "custom",
        "local_shell",
        "apply_patch",
        "computer",
        "computer_use_preview",
    }
)
_TERMINAL = frozenset({"response.completed", "response.incomplete", "response.failed"})


class _Request(msgspec.Struct):
    model: str
    input: msgspec.Raw = ABSENT
    instructions: msgspec.Raw = ABSENT
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    stream: bool | None = None
    background: bool | None = None
    temperature: int | float | None = None
    service_tier: str | None = None
    user: str | None = None
    metadata: dict[str, Any] | None = None
    tools: msgspec.Raw = ABSENT
    previous_response_id: str | None = None
    conversation: msgspec.Raw = ABSENT
    prompt: msgspec.Raw = ABSENT
    context_management: msgspec.Raw = ABSENT


class _Call(TypedDict, total=False):
    type: Any
    status: Any
    action: Any


class _Answer(TypedDict, total=False):
    id: Any
    model: Any
    service_tier: Any
    usage: Any
    output: list[_Call]


class _Event(msgspec.Struct):
    type: str = ""
    delta: Any = None
    response: msgspec.Raw = ABSENT


class _Whole(msgspec.Struct):
    """Any object."""


_DECODER = msgspec.json.Decoder(_Request)
_NAMES = tuple(b'"%s"' % name.encode() for name in _Request.__struct_fields__)
_ANSWER = msgspec.json.Decoder(_Answer, float_hook=Decimal)
_EVENT = msgspec.json.Decoder(_Event)
_WHOLE = msgspec.json.Decoder(_Whole)


class OpenAIResponses:
    name = "openai_responses"

    def read(self, body: bytes, model: str | None, *, stream: bool) -> Ask:
        """`max_tool_calls` caps the tools that run at the provider; without it nothing does."""
        asked = decoded(_DECODER, body)
        sent, tools, instructions = (
            bytes(asked.input),
            bytes(asked.tools),
            bytes(asked.instructions),
        )
        if sent[:1] not in {b"[", b'"', b"", b"n"}:
            raise BadInput("input", "it is no text or list", "Send text, or a list of items.")
        server = _server_tools(tools)
        cap = whole(asked.max_tool_calls, "max_tool_calls")
        windows = int(_stored(asked) or MEDIA(sent) is not None or hides(sent))
        if server and cap is not None:
            windows = max(windows, cap + 1)
        return Ask(
            protocol=self.name,
            operation="chat",
            model=model_name(asked.model),
            stream=bool(asked.stream),
            output_cap=whole(asked.max_output_tokens, "max_output_tokens"),
            deterministic=asked.temperature == 0 and not server,
            windows=windows,
            unbounded=_unbounded(asked, server, cap),
            extras=_extras(server, cap or 0),
            service_tier=asked.service_tier,
            user=asked.user,
            metadata=NO_LABELS if asked.metadata is None else texts(asked.metadata),
            prefix=partial(prefix_of, tools, instructions, sent),
            turns=partial(turns_of_items, sent),
            rewrite=repeats(body, (sent, tools, instructions), _NAMES),
        )

    def change(self, body: bytes, change: Change) -> bytes:
        values: dict[str, bytes] = {}
        if change.model is not None:
            values["model"] = msgspec.json.encode(change.model)
        if change.output_cap is not None:
            values["max_output_tokens"] = b"%d" % change.output_cap
        if change.service_tier is not None:
            values["service_tier"] = msgspec.json.encode(change.service_tier)
        return altered(body, values, rewrite=change.rewrite)

    def meter(self, ask: Ask, *, strip_usage: bool, provider: str | None = None) -> Meter:
        """Usage is in the event that ends the stream: there is nothing to strip."""
        return AnswerMeter(_Teller(provider), refusals.responses_event)

    def refusal(self, refusal: Refusal) -> bytes:
        return refusals.openai(refusal)


PROTOCOL: Protocol = OpenAIResponses()


def _server_tools(tools: bytes) -> frozenset[str]:
    return frozenset(
        tool.type for tool in tools_of(tools) if tool.type and tool.type not in _AT_THE_CALLER
    )


def _stored(asked: _Request) -> bool:
    """Whether there is input that is kept at the provider."""
    return bool(asked.previous_response_id) or given(asked.conversation) or given(asked.prompt)


def _unbounded(asked: _Request, server: frozenset[str], cap: int | None) -> str | None:
    if asked.background:
        return "background"
    if "image_generation" in server:  # billed as tokens that no cap counts
        return "media_output"
    return "server_tool" if server and cap is None else None


def _extras(server: frozenset[str], cap: int) -> Mapping[str, int]:
    units = {}
    if any(kind.startswith("web_search") for kind in server):
        units["web_searches"] = cap
    if "file_search" in server:
        units["storage_searches"] = cap
    if "code_interpreter" in server:
        units["code_executions"] = cap
    return units or NO_EXTRAS


class _Teller:
    __slots__ = ("_provider", "_reading", "_told", "done", "failed", "final", "text")

    def __init__(self, provider: str | None) -> None:
        self.done = self.final = self.failed = False
        self.text = 0
        self._provider = provider
        self._told = b""
        self._reading: Reading | None = None

    def event(self, data: bytes) -> bool:
        if data == b"[DONE]":  # some who are compatible end with it
            return False
        event = _EVENT.decode(data)
        if isinstance(event.delta, str):
            if not event.type.startswith("response.audio."):
                self.text += len(event.delta.encode())
        elif event.type in _TERMINAL:
            self._told, self.done = bytes(event.response), True
            self.failed = event.type == "response.failed"
        elif event.type == "error":
            self.failed = True
        return False

    def whole(self, body: bytes) -> None:
        self._reading = usual.response(body, self._provider)
        if self._reading is None:
            _WHOLE.decode(body)
        self._told, self.done = body, True

    def reading(self) -> Reading | None:
        if self._reading is None and self._told:
            self._reading = usual.response(self._told, self._provider) or self._full()
        return self._reading

    def _full(self) -> Reading | None:
        answer = _ANSWER.decode(self._told)
        if answer.get("usage") is None:
            return None
        return openai_responses.read(answer, self._provider)
