"""Gemini's count of a request's tokens, which costs nothing."""

from __future__ import annotations

import msgspec

from farthing.providers import refusals
from farthing.providers.body import altered, decoded
from farthing.providers.gemini_request import named
from farthing.providers.metering import AnswerMeter, WholeTeller, no_ending, no_reading
from farthing.providers.protocol import Ask, Change, Meter, Protocol, Refusal


class _Request(msgspec.Struct):
    """Nothing of it matters."""


_DECODER = msgspec.json.Decoder(_Request)


class GeminiCountTokens:
    name = "gemini_count_tokens"

    def read(self, body: bytes, model: str | None, *, stream: bool) -> Ask:
        decoded(_DECODER, body)
        return Ask(protocol=self.name, operation=None, model=named(model), has_output=False)

    def change(self, body: bytes, change: Change) -> bytes:
        return altered(body, {}, rewrite=True) if change.rewrite else body

    def meter(self, ask: Ask, *, strip_usage: bool, provider: str | None = None) -> Meter:
        return AnswerMeter(WholeTeller(no_reading), no_ending, has_output=False)

    def refusal(self, refusal: Refusal) -> bytes:
        return refusals.google(refusal)


PROTOCOL: Protocol = GeminiCountTokens()
