"""OpenAI's embeddings."""

from __future__ import annotations

from typing import Any

import msgspec

from farthing.domain.usage import Usage
from farthing.providers.simulator.asked import model_of, too_long
from farthing.providers.simulator.face import Plain, decode
from farthing.providers.simulator.script import Declined
from farthing.providers.simulator.vectors import (
    LEAST_DIMENSIONS,
    MOST_DIMENSIONS,
    USUAL_DIMENSIONS,
    packed,
    vector,
)
from farthing.providers.simulator.words import tokens

_MOST_INPUTS = 2048


class _Request(msgspec.Struct):
    model: str | None = None
    input: Any = None
    dimensions: int | None = None
    encoding_format: str | None = None


_REQUEST = msgspec.json.Decoder(_Request)


def answer(body: bytes, seed: int) -> Plain:
    told = decode(body, _REQUEST)
    model = model_of(told.model, speaks=False)
    texts = inputs(told.input)
    count = counted(told.model, texts)
    size = dimensions(told.dimensions, "dimensions")
    made = (vector(words, size, seed) for words, _ in texts)
    shape = packed if told.encoding_format == "base64" else list
    answered = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": shape(each)}
            for index, each in enumerate(made)
        ],
        "model": model.name,
        "usage": {"prompt_tokens": count, "total_tokens": count},
    }
    return Plain(msgspec.json.encode(answered), model.name, None, Usage(input_fresh=count))


Text = tuple[list[bytes], int]  # its words, and how many tokens


def inputs(told: Any) -> list[Text]:
    """The texts of `input`: one or many, as text or as tokens."""
    many = told if isinstance(told, list) and not _is_tokens(told) else [told]
    if not 1 <= len(many) <= _MOST_INPUTS:
        what = f"There are {len(many)} inputs; 1 to {_MOST_INPUTS} are allowed."
        raise Declined(400, "invalid_value", what, "input")
    return [_text(each) for each in many]


def counted(name: str | None, texts: list[Text]) -> int:
    """The tokens of all; each has to fit by itself."""
    model = model_of(name, speaks=False)
    for _, count in texts:
        if count > model.context_window:
            raise too_long(model, count)
    return sum(count for _, count in texts)


def dimensions(told: int | None, param: str) -> int:
    size = USUAL_DIMENSIONS if told is None else told
    if not LEAST_DIMENSIONS <= size <= MOST_DIMENSIONS:
        what = f"{param} is {size}; it must be from {LEAST_DIMENSIONS} to {MOST_DIMENSIONS}."
        raise Declined(400, "invalid_value", what, param)
    return size


def _text(told: Any) -> Text:
    if isinstance(told, str) and told:
        return told.lower().encode().split(), tokens(len(told.encode()))
    if isinstance(told, list) and _is_tokens(told):
        return [b"%d" % each for each in told], len(told)
    what = "Each input must be a text that is not empty, or a list of tokens."
    raise Declined(400, "invalid_type", what, "input")


def _is_tokens(told: list[Any]) -> bool:
    return bool(told) and all(type(each) is int and each >= 0 for each in told)
