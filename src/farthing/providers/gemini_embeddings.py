"""Gemini's embeddings, one content or many: the two differ in their path alone."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypedDict

import msgspec

from farthing.domain.errors import BadInput
from farthing.providers import gemini, refusals
from farthing.providers.body import ABSENT, altered, decoded, given, repeats
from farthing.providers.gemini_request import named, remote
from farthing.providers.metering import AnswerMeter, WholeTeller, no_ending
from farthing.providers.protocol import Ask, Change, Meter, Refusal
from farthing.providers.reading import Reading


class _Request(msgspec.Struct):
    content: msgspec.Raw = ABSENT
    requests: msgspec.Raw = ABSENT


class _Answer(TypedDict, total=False):
    usageMetadata: Any


_DECODER = msgspec.json.Decoder(_Request)
_NAMES = (b'"content"', b'"requests"')
_ANSWER = msgspec.json.Decoder(_Answer, float_hook=Decimal)


class GeminiEmbeddings:
    """Most models tell no usage here; the model is in the path, and the one in the body is it."""

    def __init__(self, name: str, field: str) -> None:
        self.name, self._field = name, field

    def read(self, body: bytes, model: str | None, *, stream: bool) -> Ask:
        asked = decoded(_DECODER, body)
        sent = asked.content if self._field == "content" else asked.requests
        if not given(sent):
            raise BadInput(self._field, "it is missing", f"Send {self._field}.")
        return Ask(
            protocol=self.name,
            operation="embeddings",
            model=named(model),
            has_output=False,
            deterministic=True,
            windows=int(remote(bytes(sent))),
            rewrite=repeats(body, (bytes(sent),), _NAMES),
        )

    def change(self, body: bytes, change: Change) -> bytes:
        return altered(body, {}, rewrite=True) if change.rewrite else body

    def meter(self, ask: Ask, *, strip_usage: bool, provider: str | None = None) -> Meter:
        def reading(body: bytes) -> Reading | None:
            answer = _ANSWER.decode(body)
            return gemini.read(answer, provider) if answer.get("usageMetadata") else None

        return AnswerMeter(WholeTeller(reading), no_ending, has_output=False)

    def refusal(self, refusal: Refusal) -> bytes:
        return refusals.google(refusal)
