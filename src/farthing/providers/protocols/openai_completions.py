"""OpenAI's old completions: a prompt, or several, each continued `n` times."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from farthing.domain.errors import BadInput
from farthing.providers import refusals
from farthing.providers.body import ABSENT, altered, decoded, model_name, repeats, whole
from farthing.providers.conversation import prefix_of
from farthing.providers.metering import AnswerMeter
from farthing.providers.openai_answers import ChatTeller
from farthing.providers.protocol import Ask, Change, Meter, Protocol, Refusal
from farthing.providers.usage_option import StreamOptions, asks, options_with

_MOST_CHOICES = 128
_MOST_PROMPTS = 4096


class _Request(msgspec.Struct):
    model: str
    prompt: msgspec.Raw = ABSENT
    max_tokens: int | None = None
    n: int | None = None
    best_of: int | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: int | float | None = None
    user: str | None = None


_DECODER = msgspec.json.Decoder(_Request)
_NAMES = tuple(b'"%s"' % name.encode() for name in _Request.__struct_fields__)
_LIST = msgspec.json.Decoder(list[Any])


class OpenAICompletions:
    name = "openai_completions"

    def read(self, body: bytes, model: str | None, *, stream: bool) -> Ask:
        asked = decoded(_DECODER, body)
        prompt = bytes(asked.prompt)
        each = max(
            whole(asked.n, "n", 1, _MOST_CHOICES) or 1,
            whole(asked.best_of, "best_of", 1, _MOST_CHOICES) or 1,
        )
        choices = each * _prompts(prompt)
        streams = bool(asked.stream)
        return Ask(
            protocol=self.name,
            operation="text_completion",
            model=model_name(asked.model),
            stream=streams,
            output_cap=whole(asked.max_tokens, "max_tokens"),
            choices=choices,
            deterministic=asked.temperature == 0 and each == 1,
            usage_asked=not streams or asks(asked.stream_options),
            user=asked.user,
            prefix=partial(prefix_of, prompt),
            rewrite=repeats(body, (prompt,), _NAMES),
        )

    def change(self, body: bytes, change: Change) -> bytes:
        values: dict[str, bytes] = {}
        if change.model is not None:
            values["model"] = msgspec.json.encode(change.model)
        if change.output_cap is not None:
            values["max_tokens"] = b"%d" % change.output_cap
        if change.include_usage:
            values["stream_options"] = options_with(body)
        return altered(body, values, rewrite=change.rewrite)

    def meter(self, ask: Ask, *, strip_usage: bool, provider: str | None = None) -> Meter:
        return AnswerMeter(ChatTeller(provider), refusals.openai_event, strip_usage=strip_usage)

    def refusal(self, refusal: Refusal) -> bytes:
        return refusals.openai(refusal)


PROTOCOL: Protocol = OpenAICompletions()


def _prompts(prompt: bytes) -> int:
    """A list of texts, or of lists of tokens, is so many prompts; a list of tokens is one."""
    if prompt[:1] != b"[":
        return 1
    items = decoded(_LIST, prompt, "prompt")
    many = len(items) if items and not isinstance(items[0], int) else 1
    if many > _MOST_PROMPTS:
        raise BadInput("prompt", f"it has {many} prompts", f"Send at most {_MOST_PROMPTS}.")
    return many
