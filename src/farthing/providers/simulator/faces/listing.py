"""Which models there are, as OpenAI, Anthropic and Gemini list them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from farthing.prices.sources.simulator import MODELS, SINCE, Model
from farthing.providers.simulator.face import Plain
from farthing.providers.simulator.script import Declined

Json = dict[str, Any]


def openai(name: str | None) -> Plain:
    return _listed(name, _openai, lambda data: {"object": "list", "data": data})


def anthropic(name: str | None) -> Plain:
    ends = {"first_id": next(iter(MODELS)), "last_id": list(MODELS)[-1], "has_more": False}
    return _listed(name, _anthropic, lambda data: {"data": data, **ends})


def gemini(name: str | None) -> Plain:
    return _listed(name, _gemini, lambda models: {"models": models})


def _listed(
    name: str | None, shown: Callable[[Model], Json], listing: Callable[[list[Json]], Json]
) -> Plain:
    if name is None:
        return Plain(msgspec.json.encode(listing([shown(model) for model in MODELS.values()])))
    if (model := MODELS.get(name)) is None:
        raise Declined(404, "model_not_found", f"The model {name[:80]!r} does not exist.", "model")
    return Plain(msgspec.json.encode(shown(model)))


def _openai(model: Model) -> Json:
    created = int(SINCE.timestamp())
    return {"id": model.name, "object": "model", "created": created, "owned_by": "simulator"}


def _anthropic(model: Model) -> Json:
    return {
        "id": model.name,
        "type": "model",
        "display_name": f"{model.name} (simulated)",
        "created_at": SINCE.isoformat(),
        "lifecycle": "active",
        "max_input_tokens": model.context_window,
        "max_tokens": model.max_output,
    }


def _gemini(model: Model) -> Json:
    speaks = model.output is not None
    return {
        "name": f"models/{model.name}",
        "displayName": f"{model.name} (simulated)",
        "inputTokenLimit": model.context_window,
        "outputTokenLimit": model.max_output,
        "supportedGenerationMethods": ["generateContent", "countTokens"]
        if speaks
        else ["embedContent"],
    }
