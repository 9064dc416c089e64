"""OpenAI embeddings: texts in, vectors out, and no output that is billed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypedDict

import msgspec

from farthing.domain.errors import BadInput
from farthing.providers import openai_chat, refusals, usual
from farthing.providers.body import ABSENT, altered, decoded, hides, model_name, repeats
from farthing.providers.conversation import MEDIA
from farthing.providers.metering import AnswerMeter, WholeTeller, no_ending
from farthing.providers.protocol import Ask, Change, Meter, Protocol, Refusal
from farthing.providers.reading import Reading


class _Request(msgspec.Struct):
    model: str
    input: msgspec.Raw = ABSENT
    user: str | None = None


class _Answer(TypedDict, total=False):
    id: Any
    model: Any
    usage: Any


_DECODER = msgspec.json.Decoder(_Request)
_NAMES = tuple(b'"%s"' % name.encode() for name in _Request.__struct_fields__)
_ANSWER = msgspec.json.Decoder(_Answer, float_hook=Decimal)


class OpenAIEmbeddings:
    name = "openai_embeddings"

    def read(self, body: bytes, model: str | None, *, stream: bool) -> Ask:
        asked = decoded(_DECODER, body)
        sent = bytes(asked.input)
        if sent[:1] not in {b"[", b'"'}:
            raise BadInput("input", "it is no text or list", "Send a text, or a list of texts.")
        return Ask(
            protocol=self.name,
            operation="embeddings",
            model=model_name(asked.model),
            has_output=False,
            deterministic=True,
            windows=int(MEDIA(sent) is not None or hides(sent)),
            user=asked.user,
            rewrite=repeats(body, (sent,), _NAMES),
        )

    def change(self, body: bytes, change: Change) -> bytes:
        values = {} if change.model is None else {"model": msgspec.json.encode(change.model)}
        return altered(body, values, rewrite=change.rewrite)

    def meter(self, ask: Ask, *, strip_usage: bool, provider: str | None = None) -> Meter:
        def reading(body: bytes) -> Reading | None:
            usually = usual.embeddings(body, provider)
            if usually is not None:
                return usually
            answer = _ANSWER.decode(body)
            if answer.get("usage") is None:
                return None
            return openai_chat.read_embeddings(answer, provider)

        return AnswerMeter(WholeTeller(reading), no_ending, has_output=False)

    def refusal(self, refusal: Refusal) -> bytes:
        return refusals.openai(refusal)


PROTOCOL: Protocol = OpenAIEmbeddings()
