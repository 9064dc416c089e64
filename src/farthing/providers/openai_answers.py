"""What an answer in OpenAI's older protocols tells as it passes: chat, completions, embeddings."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypedDict

import msgspec

from farthing.providers import openai_chat, usual
from farthing.providers.reading import Reading

NULL = msgspec.Raw(b"null")


class _Answer(TypedDict, total=False):
    id: Any
    model: Any
    service_tier: Any
    usage: Any


class _Function(msgspec.Struct):
    arguments: str | None = None


class _ToolCall(msgspec.Struct):
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    finish_reason: Any = None
    text: str | None = None  # completions


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = NULL
    error: msgspec.Raw = NULL


class _Bare(msgspec.Struct):
    """A chunk of which only the usage can be made out."""

    usage: msgspec.Raw = NULL


# The text of a number is what the provider wrote; a cost must not go through a float.
_ANSWER = msgspec.json.Decoder(_Answer, float_hook=Decimal)
_CHUNK = msgspec.json.Decoder(_Chunk)
_BARE = msgspec.json.Decoder(_Bare)


class ChatTeller:
    """Usage comes in a chunk of its own, or with the others; the last one counts.

    With every chunk it says only how far it is, until a choice has a finish reason.
    """

    __slots__ = ("_finished", "_provider", "_reading", "_told", "done", "failed", "final", "text")

    def __init__(self, provider: str | None) -> None:
        self.done = self.final = self.failed = False
        self.text = 0
        self._finished = False
        self._provider = provider
        self._told = b""  # the answer, or the last chunk, that had usage
        self._reading: Reading | None = None

    def event(self, data: bytes) -> bool:
        if data == b"[DONE]":
            self.done = True
            return False
        try:
            chunk = _CHUNK.decode(data)
        except msgspec.ValidationError:
            self._keep(data, _BARE.decode(data).usage)
            raise
        for choice in chunk.choices or ():
            self.text += _text(choice)
            self._finished = self._finished or choice.finish_reason is not None
        if bytes(chunk.error) != b"null":
            self.failed = True
        whole = self._finished or not chunk.choices
        return self._keep(data, chunk.usage, whole=whole) and not chunk.choices

    def whole(self, body: bytes) -> None:
        self._reading = usual.chat(body, self._provider)
        if self._reading is None:
            _BARE.decode(body)
        self._told, self.done = body, True

    def reading(self) -> Reading | None:
        if self._reading is None and self._told:
            self._reading = usual.chat(self._told, self._provider) or self._full()
        return self._reading

    def _full(self) -> Reading | None:
        answer = _ANSWER.decode(self._told)
        if answer.get("usage") is None:
            return None
        return openai_chat.read(answer, self._provider)

    def _keep(self, data: bytes, usage: msgspec.Raw, *, whole: bool = True) -> bool:
        if bytes(usage) == b"null":
            return False
        self._told, self._reading = data, None
        self.final = whole
        return True


def _text(choice: _Choice) -> int:
    delta = choice.delta
    if delta is None:
        return len((choice.text or "").encode())
    size = len((delta.content or delta.reasoning_content or delta.reasoning or "").encode())
    if delta.refusal:
        size += len(delta.refusal.encode())
    for call in delta.tool_calls or ():
        if call.function is not None and call.function.arguments:
            size += len(call.function.arguments.encode())
    return size
