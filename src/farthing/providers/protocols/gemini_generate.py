"""Gemini's generateContent and its stream; the model and whether to stream are in the path."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Any, TypedDict

import msgspec

from farthing.providers import gemini, refusals, usual
from farthing.providers.body import ABSENT, altered, decoded, given, listed, repeats
from farthing.providers.conversation import prefix_of, texts
from farthing.providers.gemini_request import (
    NAMES,
    capped,
    config_of,
    named,
    remote,
    serves,
    turns_of_parts,
)
from farthing.providers.metering import AnswerMeter
from farthing.providers.protocol import NO_LABELS, Ask, Change, Meter, Protocol, Refusal
from farthing.providers.reading import Reading


class _Request(msgspec.Struct, rename="camel"):
    """Google takes every name in both spellings."""

    contents: msgspec.Raw = ABSENT
    tools: msgspec.Raw = ABSENT
    labels: dict[str, Any] | None = None
    system_instruction: msgspec.Raw = ABSENT
    system_instruction_: msgspec.Raw = msgspec.field(name="system_instruction", default=ABSENT)
    generation_config: msgspec.Raw = ABSENT
    generation_config_: msgspec.Raw = msgspec.field(name="generation_config", default=ABSENT)
    cached_content: str | None = None
    cached_content_: str | None = msgspec.field(name="cached_content", default=None)
    service_tier: str | None = None
    service_tier_: str | None = msgspec.field(name="service_tier", default=None)


_DECODER = msgspec.json.Decoder(_Request)
_NAMES = tuple(b'"%s"' % name.encode() for name in (*_Request.__struct_encode_fields__, *NAMES))


class GeminiGenerate:
    name = "gemini_generate"

    def read(self, body: bytes, model: str | None, *, stream: bool) -> Ask:
        asked = decoded(_DECODER, body)
        contents, tools = listed(asked.contents, "contents"), bytes(asked.tools)
        system = bytes(asked.system_instruction) + bytes(asked.system_instruction_)
        config = config_of(asked.generation_config, asked.generation_config_)
        server = serves(tools)
        return Ask(
            protocol=self.name,
            operation="generate_content",
            model=named(model),
            stream=stream,
            output_cap=config.cap,
            choices=config.choices,
            deterministic=config.temperature == 0 and config.choices == 1 and not server,
            windows=int(_cached(asked) or remote(contents) or remote(system)),
            unbounded="server_tool" if server else config.unbounded,
            service_tier=asked.service_tier or asked.service_tier_,
            metadata=NO_LABELS if asked.labels is None else texts(asked.labels),
            prefix=partial(prefix_of, tools, system, contents),
            turns=partial(turns_of_parts, contents),
            rewrite=repeats(body, (contents, tools), _NAMES),
        )

    def change(self, body: bytes, change: Change) -> bytes:
        """The model is in the path, and usage comes unasked."""
        if change.service_tier is not None:
            tier = {"serviceTier": msgspec.json.encode(change.service_tier)}
            body = altered(body, tier, rewrite=change.rewrite)
        if change.output_cap is None and not change.rewrite:
            return body
        return capped(body, change.output_cap, rewrite=change.rewrite)

    def meter(self, ask: Ask, *, strip_usage: bool, provider: str | None = None) -> Meter:
        return AnswerMeter(_Teller(provider), refusals.google_event)

    def refusal(self, refusal: Refusal) -> bytes:
        return refusals.google(refusal)


PROTOCOL: Protocol = GeminiGenerate()


def _cached(asked: _Request) -> bool:
    return bool(asked.cached_content or asked.cached_content_)


class _Answer(TypedDict, total=False):
    usageMetadata: Any
    modelVersion: Any
    responseId: Any


class _Part(msgspec.Struct, rename="camel"):
    text: str = ""
    function_call: msgspec.Raw = ABSENT


class _Content(msgspec.Struct):
    parts: list[_Part] = []


class _Candidate(msgspec.Struct, rename="camel"):
    content: _Content | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct, rename="camel"):
    candidates: list[_Candidate] = []
    usage_metadata: msgspec.Raw = ABSENT
    error: msgspec.Raw = ABSENT


_ANSWER = msgspec.json.Decoder(_Answer, float_hook=Decimal)
_CHUNK = msgspec.json.Decoder(_Chunk)
_CHUNKS = msgspec.json.Decoder(list[msgspec.Raw])


class _Teller:
    """Usage is cumulative and may be in every chunk: the last one counts.

    Only a finish reason says that it is the last: what ends without one was cut short.
    """

    __slots__ = (
        "_counted", "_finished", "_provider", "_reading", "_told",
        "done", "failed", "final", "text",
    )  # fmt: skip

    def __init__(self, provider: str | None) -> None:
        self.done = self.final = self.failed = False
        self.text = 0
        self._counted = self._finished = False
        self._provider = provider
        self._told = b""
        self._reading: Reading | None = None

    def event(self, data: bytes) -> bool:
        chunk = _CHUNK.decode(data)
        for candidate in chunk.candidates:
            self._finished = self._finished or candidate.finish_reason is not None
            for part in candidate.content.parts if candidate.content is not None else ():
                self.text += len(part.text.encode()) + len(bytes(part.function_call))
        if given(chunk.usage_metadata):
            self._told, self._reading = data, None
            # Before the first token of an answer, usage tells of the prompt alone.
            self._counted = b'"candidatesTokenCount"' in bytes(chunk.usage_metadata)
        self.final = self._finished and self._counted
        self.done = self.done or (self._finished and self._told != b"")
        self.failed = self.failed or given(chunk.error)
        return False

    def whole(self, body: bytes) -> None:
        """A stream that nobody asked to be events is a list of chunks."""
        if body[:1] == b"[":
            for chunk in _CHUNKS.decode(body):
                self.event(bytes(chunk))
        else:
            self._reading = usual.generated(body, self._provider)
            if self._reading is None:
                _ANSWER.decode(body)
            self._told = body
        self.done = True

    def reading(self) -> Reading | None:
        if self._reading is None and self._told:
            self._reading = usual.generated(self._told, self._provider) or self._full()
        return self._reading

    def _full(self) -> Reading | None:
        answer = _ANSWER.decode(self._told)
        if answer.get("usageMetadata") is None:
            return None
        return gemini.read(answer, self._provider)
