"""OpenAI's old completions: a prompt, or several, each continued some times."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from farthing.providers.simulator.asked import (
    Asked,
    cap_of,
    choices_of,
    model_of,
    prompt_of,
)
from farthing.providers.simulator.face import HOLE, Called, decode, event, filled, frame
from farthing.providers.simulator.faces import openai_errors
from farthing.providers.simulator.faces.chat import FINGERPRINT, usage
from farthing.providers.simulator.reply import Reply
from farthing.providers.simulator.script import Declined
from farthing.providers.simulator.words import pieces

_USUAL_CAP = 16
_MOST_PROMPTS = 128
_DONE = b"data: [DONE]\n\n"


class _Options(msgspec.Struct):
    include_usage: bool | None = None


class _Request(msgspec.Struct):
    model: str | None = None
    prompt: msgspec.Raw = msgspec.Raw()
    max_tokens: int | None = None
    n: int | None = None
    best_of: int | None = None
    seed: int | None = None
    stream: bool | None = None
    stream_options: _Options | None = None


_REQUEST = msgspec.json.Decoder(_Request)
_PROMPT = msgspec.json.Decoder(str | list[Any])


class Completions:
    def read(self, body: bytes, called: Called) -> Asked:
        told = decode(body, _REQUEST)
        model = model_of(told.model)
        shown = choices_of(told.n, "n")
        made = max(shown, choices_of(told.best_of, "best_of"))
        return Asked(
            model=model,
            prompt=prompt_of(model, told.prompt),
            stream=bool(told.stream),
            cap=cap_of(model, told.max_tokens, "max_tokens") or _USUAL_CAP,
            choices=made * _prompts(told.prompt),
            seed=told.seed,
            usage_wanted=bool(told.stream_options and told.stream_options.include_usage),
            echoed={"shown": shown, "made": made},
        )

    def whole(self, reply: Reply) -> tuple[str, bytes]:
        choices = [_choice(n, text, _reason(reply)) for n, text in enumerate(_shown(reply))]
        told = {**_head(reply), "choices": choices, "usage": usage(reply.usage)}
        return told["id"], msgspec.json.encode(told)

    def stream(self, reply: Reply) -> tuple[str, list[bytes]]:
        head = _head(reply)
        events = [
            each
            for index, text in enumerate(_shown(reply))
            for each in _streamed(head, index, text, _reason(reply))
        ]
        if reply.asked.usage_wanted:
            events.append(event({**head, "choices": [], "usage": usage(reply.usage)}))
        return head["id"], [*events, _DONE]

    def error(self, declined: Declined, request_id: str) -> bytes:
        return openai_errors.error(declined, request_id)


FACE = Completions()


def _prompts(told: msgspec.Raw) -> int:
    """A list of texts, or of lists of tokens, is so many prompts; a list of tokens is one."""
    prompt = decode(told or b'""', _PROMPT, "prompt")
    if not prompt:
        what = "The prompt is missing, or there is none."
        raise Declined(400, "missing_required_parameter", what, "prompt")
    if isinstance(prompt, str) or isinstance(prompt[0], int):
        return 1
    if len(prompt) > _MOST_PROMPTS:
        what = f"There are {len(prompt)} prompts; at most {_MOST_PROMPTS} are allowed."
        raise Declined(400, "invalid_value", what, "prompt")
    return len(prompt)


def _shown(reply: Reply) -> Iterator[str]:
    """Of the `best_of` that were made for each prompt, and are billed, the first `n`."""
    shown, made = reply.asked.echoed["shown"], reply.asked.echoed["made"]
    return (text for place, text in enumerate(reply.texts) if place % made < shown)


def _reason(reply: Reply) -> str:
    return "length" if reply.cut else "stop"


def _head(reply: Reply) -> dict[str, Any]:
    return {
        "id": f"cmpl-sim-{reply.name}",
        "object": "text_completion",
        "created": reply.created,
        "model": reply.model,
        "system_fingerprint": FINGERPRINT,
    }


def _choice(index: int, text: str, reason: str | None) -> dict[str, Any]:
    return {"text": text, "index": index, "logprobs": None, "finish_reason": reason}


def _streamed(head: dict[str, Any], index: int, text: str, reason: str) -> Iterator[bytes]:
    around = frame({**head, "choices": [_choice(index, HOLE, None)]})
    for piece in pieces(text):
        yield filled(around, piece)
    yield event({**head, "choices": [_choice(index, "", reason)]})
