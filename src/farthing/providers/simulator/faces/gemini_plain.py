"""Gemini's embeddings and token counts."""

from __future__ import annotations

from typing import Any

import msgspec

from farthing.domain.usage import Usage
from farthing.providers.simulator.asked import Asked, model_of, prompt_of
from farthing.providers.simulator.face import Called, Plain, decode
from farthing.providers.simulator.faces.embeddings import counted, dimensions, inputs
from farthing.providers.simulator.faces.gemini import told_of
from farthing.providers.simulator.script import Declined
from farthing.providers.simulator.vectors import vector

EMBED, EMBED_MANY, COUNT = "embedContent", "batchEmbedContents", "countTokens"


class _Part(msgspec.Struct):
    text: str = ""


class _Content(msgspec.Struct):
    parts: list[_Part] = []


class _One(msgspec.Struct, rename="camel"):
    content: _Content | None = None
    output_dimensionality: int | None = None


class _Many(msgspec.Struct, rename="camel"):
    requests: list[_One] = []


_ONE = msgspec.json.Decoder(_One)
_MANY = msgspec.json.Decoder(_Many)
_WRAPPED = msgspec.json.Decoder(dict[str, msgspec.Raw])


def embed(body: bytes, called: Called, seed: int) -> Plain:
    """One, or many in a batch."""
    many = called.verb == EMBED_MANY
    asked = decode(body, _MANY).requests if many else [decode(body, _ONE)]
    texts = inputs([_said(one) for one in asked])
    count = counted(called.model, texts)
    made = [
        {
            "values": vector(
                words, dimensions(one.output_dimensionality, "outputDimensionality"), seed
            )
        }
        for one, (words, _) in zip(asked, texts, strict=True)
    ]
    told: dict[str, Any] = {"embeddings": made} if many else {"embedding": made[0]}
    told["usageMetadata"] = {"promptTokenCount": count, "totalTokenCount": count}
    return Plain(msgspec.json.encode(told), called.model, None, Usage(input_fresh=count))


def count(body: bytes, called: Called) -> Plain:
    """The contents alone, or a whole request under `generateContentRequest`."""
    model = model_of(called.model)
    wrapped = decode(body, _WRAPPED).get("generateContentRequest")
    told, _ = told_of(bytes(wrapped) if wrapped else body)
    prompt = prompt_of(model, told.system_instruction, told.tools, told.contents)
    total = Asked(model=model, prompt=prompt).input_tokens
    return Plain(msgspec.json.encode({"totalTokens": total}), model.name)


def _said(one: _One) -> str:
    if one.content is None:
        raise Declined(400, "missing_required_parameter", "content is not specified", "content")
    return "\n".join(part.text for part in one.content.parts)
