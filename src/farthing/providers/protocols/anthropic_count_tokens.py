"""Anthropic's count of a message's tokens, which costs nothing."""

from __future__ import annotations

import msgspec

from farthing.providers import refusals
from farthing.providers.body import ABSENT, altered, decoded, listed, model_name, repeats
from farthing.providers.metering import AnswerMeter, WholeTeller, no_ending, no_reading
from farthing.providers.protocol import Ask, Change, Meter, Protocol, Refusal


class _Request(msgspec.Struct):
    model: str
    messages: msgspec.Raw = ABSENT


_DECODER = msgspec.json.Decoder(_Request)
_NAMES = (b'"model"', b'"messages"')


class AnthropicCountTokens:
    name = "anthropic_count_tokens"

    def read(self, body: bytes, model: str | None, *, stream: bool) -> Ask:
        asked = decoded(_DECODER, body)
        messages = listed(asked.messages, "messages")
        return Ask(
            protocol=self.name,
            operation=None,
            model=model_name(asked.model),
            has_output=False,
            rewrite=repeats(body, (messages,), _NAMES),
        )

    def change(self, body: bytes, change: Change) -> bytes:
        values = {} if change.model is None else {"model": msgspec.json.encode(change.model)}
        return altered(body, values, rewrite=change.rewrite)

    def meter(self, ask: Ask, *, strip_usage: bool, provider: str | None = None) -> Meter:
        return AnswerMeter(WholeTeller(no_reading), no_ending, has_output=False)

    def refusal(self, refusal: Refusal) -> bytes:
        return refusals.anthropic(refusal)


PROTOCOL: Protocol = AnthropicCountTokens()
