"""What a request asks of the simulator, whatever protocol it came in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from farthing.prices.sources.simulator import MODELS, Model
from farthing.providers.simulator.caching import SHORT, Block
from farthing.providers.simulator.script import Declined
from farthing.providers.simulator.words import BYTES_PER_TOKEN, tokens

OVERHEAD_TOKENS = 3  # every prompt has some that are not in its text
MOST_CHOICES = 128
# How much of the output is reasoning, by what the protocols call the effort.
EFFORTS: Mapping[str, float] = {
    "none": 0.0,
    "minimal": 0.1,
    "low": 0.25,
    "medium": 0.5,
    "high": 0.7,
    "xhigh": 0.75,
    "max": 0.8,
}


class Tool(msgspec.Struct, frozen=True):
    name: str
    schema: Any


class Asked(msgspec.Struct, kw_only=True):
    """`prompt` is all that counts as input, in the order that prompt caches go by."""

    model: Model
    prompt: bytes
    stream: bool = False
    cap: int | None = None
    choices: int = 1
    seed: int | None = None
    effort: float = 0.0
    most_thoughts: int | None = None  # tokens
    thoughts_shown: bool = False
    tool: Tool | None = None  # the one to call
    schema: Any = None  # what the text must be
    blocks: Sequence[Block] | None = None  # where the caller marks what is cached; None: by itself
    lifetime: float = SHORT  # of what is cached by itself
    writes_billed: bool = True  # Gemini bills only what is read
    before: str | None = None  # the stored response that this one goes on from
    usage_wanted: bool = True  # at the end of a stream
    tier: str = "default"  # as OpenAI names it in its answers
    echoed: Mapping[str, Any] = {}  # what the answer repeats of the request

    @property
    def input_tokens(self) -> int:
        return tokens(len(self.prompt)) + OVERHEAD_TOKENS


def model_of(name: str | None, *, speaks: bool = True) -> Model:
    """The model of that name, if it does such a thing at all."""
    if not name:
        raise Declined(400, "missing_required_parameter", "The model is missing.", "model")
    model = MODELS.get(name)
    if model is None:
        known = ", ".join(MODELS)
        what = f"The model {name[:80]!r} does not exist; the simulator has {known}."
        raise Declined(404, "model_not_found", what, "model")
    if (model.output is not None) != speaks:
        does = "makes embeddings only" if speaks else "makes no embeddings"
        raise Declined(404, "model_not_found", f"{name} {does}.", "model")
    return model


def cap_of(model: Model, cap: int | None, param: str) -> int | None:
    if cap is not None and not 1 <= cap <= model.max_output:
        what = f"{param} is {cap}; {model.name} supports 1 to {model.max_output} tokens."
        raise Declined(400, "invalid_value", what, param)
    return cap


def choices_of(count: int | None, param: str) -> int:
    if count is not None and not 1 <= count <= MOST_CHOICES:
        what = f"{param} is {count}; it must be from 1 to {MOST_CHOICES}."
        raise Declined(400, "invalid_value", what, param)
    return count or 1


def prompt_of(model: Model, *parts: bytes) -> bytes:
    """The parts as one, if they fit the model's window."""
    prompt = b"\n".join(part for part in parts if part)
    if len(prompt) > model.context_window * BYTES_PER_TOKEN - OVERHEAD_TOKENS * BYTES_PER_TOKEN:
        raise too_long(model, tokens(len(prompt)) + OVERHEAD_TOKENS)
    return prompt


def too_long(model: Model, count: int) -> Declined:
    what = f"The input has {count} tokens; the window of {model.name} is {model.context_window}."
    return Declined(400, "context_length_exceeded", what, "messages")


def tool_to_call(
    tools: Sequence[Tool], choice: str, called: Collection[str], *, answered: bool
) -> Tool | None:
    """Which tool an agent's loop meets next, so that it goes forward and ends.

    `choice` is none, auto, required or a tool's name. The first that was not called yet, else
    the last; by its own choice none at all once a tool has `answered`.
    """
    if choice == "none" or not tools or (choice == "auto" and answered):
        return None
    if choice in {"auto", "required"}:
        return next((tool for tool in tools if tool.name not in called), tools[-1])
    named = next((tool for tool in tools if tool.name == choice), None)
    if named is None:
        what = f"The tool {choice[:80]!r} is not among the tools."
        raise Declined(400, "invalid_value", what, "tool_choice")
    return named
