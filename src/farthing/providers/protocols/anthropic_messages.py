"""Anthropic messages, with thinking, prompt caching and the tools that Anthropic runs itself."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any, TypedDict

import msgspec

from farthing.domain.errors import BadInput
from farthing.providers import anthropic, refusals, usual
from farthing.providers.anthropic_request import Tools, asked_tools, remote, turns_of_blocks
from farthing.providers.body import (
    ABSENT,
    altered,
    decoded,
    given,
    listed,
    model_name,
    repeats,
    whole,
)
from farthing.providers.conversation import prefix_of, texts
from farthing.providers.metering import AnswerMeter
from farthing.providers.protocol import NO_EXTRAS, NO_LABELS, Ask, Change, Meter, Protocol, Refusal
from farthing.providers.reading import Reading

_GLOBAL = frozenset({None, "", "global"})


class _Thinking(msgspec.Struct):
    type: str | None = None
    budget_tokens: int | None = None


class _Request(msgspec.Struct):
    model: str
    messages: msgspec.Raw = ABSENT
    max_tokens: int | None = None
    system: msgspec.Raw = ABSENT
    tools: msgspec.Raw = ABSENT
    stream: bool | None = None
    temperature: int | float | None = None
    thinking: _Thinking | None = None
    metadata: dict[str, Any] | None = None
    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None
    mcp_servers: msgspec.Raw = ABSENT
    container: msgspec.Raw = ABSENT
    context_management: msgspec.Raw = ABSENT


_DECODER = msgspec.json.Decoder(_Request)
_NAMES = tuple(b'"%s"' % name.encode() for name in _Request.__struct_fields__)


class AnthropicMessages:
    name = "anthropic_messages"

    def read(self, body: bytes, model: str | None, *, stream: bool) -> Ask:
        """Tools at the provider are bounded by `max_uses`, where each of them has one."""
        asked = decoded(_DECODER, body)
        messages, raw_tools = listed(asked.messages, "messages"), bytes(asked.tools)
        system = bytes(asked.system)
        tools = asked_tools(raw_tools)
        labels = NO_LABELS if asked.metadata is None else texts(asked.metadata)
        return Ask(
            protocol=self.name,
            operation="chat",
            model=model_name(asked.model),
            stream=bool(asked.stream),
            output_cap=_cap(asked),
            output_floor=_floor(asked.thinking),
            deterministic=asked.temperature == 0 and not tools.server,
            windows=_windows(asked, messages, tools),
            unbounded=_unbounded(asked, tools),
            extras={"web_searches": tools.searches} if tools.searches else NO_EXTRAS,
            service_tier=asked.service_tier,
            context=_context(asked),
            user=labels.get("user_id"),
            metadata=labels,
            prefix=partial(prefix_of, raw_tools, system, messages),
            turns=partial(turns_of_blocks, messages),
            rewrite=repeats(body, (messages, raw_tools, system), _NAMES),
        )

    def change(self, body: bytes, change: Change) -> bytes:
        values: dict[str, bytes] = {}
        if change.model is not None:
            values["model"] = msgspec.json.encode(change.model)
        if change.output_cap is not None:
            values["max_tokens"] = b"%d" % change.output_cap
        return altered(body, values, rewrite=change.rewrite)

    def meter(self, ask: Ask, *, strip_usage: bool, provider: str | None = None) -> Meter:
        """Usage is in the events that begin and end a message: there is nothing to strip."""
        return AnswerMeter(_Teller(provider), refusals.anthropic_event)

    def refusal(self, refusal: Refusal) -> bytes:
        return refusals.anthropic(refusal)


PROTOCOL: Protocol = AnthropicMessages()


def _cap(asked: _Request) -> int:
    cap = whole(asked.max_tokens, "max_tokens")
    if cap is None:
        raise BadInput("max_tokens", "it is missing", "Say how many tokens the answer may have.")
    return cap


def _floor(thinking: _Thinking | None) -> int:
    if thinking is None or thinking.budget_tokens is None:
        return 0
    return (whole(thinking.budget_tokens, "thinking.budget_tokens") or 0) + 1


def _windows(asked: _Request, messages: bytes, tools: Tools) -> int:
    windows = int(remote(messages) or _remote(asked.system) or given(asked.container))
    if tools.server:
        windows = max(windows, tools.rounds + 1)
    if given(asked.context_management) and b'"compact' in bytes(asked.context_management):
        return max(windows, 1) + 1  # one more run of the model, billed beside the others
    return windows


def _remote(system: msgspec.Raw) -> bool:
    return given(system) and remote(bytes(system))


def _unbounded(asked: _Request, tools: Tools) -> str | None:
    return "server_tool" if given(asked.mcp_servers) or tools.uncapped else None


def _context(asked: _Request) -> Mapping[str, str]:
    if asked.speed is None and asked.inference_geo is None:
        return NO_LABELS
    context = {}
    if asked.speed:
        context["speed"] = asked.speed
    if asked.inference_geo not in _GLOBAL:
        context["inference_geo"] = str(asked.inference_geo)
    return context


class _Answer(TypedDict, total=False):
    type: Any
    id: Any
    model: Any
    usage: Any


class _Delta(msgspec.Struct):
    text: str = ""
    thinking: str = ""
    partial_json: str = ""


class _Event(msgspec.Struct):
    type: str
    delta: _Delta | None = None
    usage: msgspec.Raw = ABSENT
    message: msgspec.Raw = ABSENT


_ANSWER = msgspec.json.Decoder(_Answer, float_hook=Decimal)
_USAGE = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
_EVENT = msgspec.json.Decoder(_Event)


class _Teller:
    """What a message's start said counts until its later, cumulative usage says otherwise."""

    __slots__ = ("_later", "_provider", "_reading", "_told", "done", "failed", "final", "text")

    def __init__(self, provider: str | None) -> None:
        self.done = self.final = self.failed = False
        self.text = 0
        self._provider = provider
        self._told, self._later = b"", b""
        self._reading: Reading | None = None

    def event(self, data: bytes) -> bool:
        event = _EVENT.decode(data)
        delta = event.delta
        if event.type == "content_block_delta":
            if delta is not None:
                said = delta.text or delta.partial_json or delta.thinking
                self.text += len(said.encode())
        elif event.type == "message_start":
            self._told, self._later, self._reading = bytes(event.message), b"", None
        elif event.type == "message_delta":
            if given(event.usage):
                self._later, self._reading, self.final = bytes(event.usage), None, True
        elif event.type == "message_stop":
            self.done = True
        elif event.type == "error":
            self.failed = True
        return False

    def whole(self, body: bytes) -> None:
        self._reading = usual.message(body, b"", self._provider)
        if self._reading is None:
            _ANSWER.decode(body)
        self._told, self.done = body, True

    def reading(self) -> Reading | None:
        if self._reading is None and (self._told or self._later):
            start = self._told or b'{"usage":{}}'
            usually = usual.message(start, self._later, self._provider)
            self._reading = usually or self._full(start)
        return self._reading

    def _full(self, start: bytes) -> Reading | None:
        answer = _ANSWER.decode(start)
        told = answer.get("usage")
        if self._later:
            later = {
                name: value
                for name, value in _USAGE.decode(self._later).items()
                if value is not None
            }
            told = {**told, **later} if isinstance(told, dict) else later
        if told is None:
            return None
        return anthropic.read({**answer, "usage": told}, self._provider)
