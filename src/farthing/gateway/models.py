"""Which models may be asked for: the list that every vendor's client can fetch."""

from __future__ import annotations

import msgspec

from farthing.access.keys import Key
from farthing.gateway.exchange import Exchange, Refusing
from farthing.gateway.live import Live
from farthing.gateway.pipeline import Rest
from farthing.gateway.stages.identify import Identify
from farthing.providers import paths

_JSON = (b"content-type", b"application/json")


def shape(x: Exchange, inbound: paths.Inbound) -> str:
    """The protocol of whose client asks: its headers say so, else the path."""
    if x.header(b"anthropic-version") is not None:
        return "anthropic_messages"
    return inbound.shape if x.header(b"x-goog-api-key") is None else "gemini_generate"


async def answer(x: Exchange, *, live: Live, model: str | None) -> None:
    """The models that the key may ask for, in the shape of whose client asks."""

    async def tell(x: Exchange) -> None:
        assert x.key is not None
        body = msgspec.json.encode(_listed(x, live, x.key, model))
        await x.reply.start(200, [_JSON, (b"content-length", b"%d" % len(body))])
        await x.reply.chunk(body, last=True)

    told: Rest = tell
    await Identify(live)(x, told)


def _listed(x: Exchange, live: Live, key: Key, model: str | None) -> dict[str, object]:
    names = [name for name in live.upstreams.models() if key.allows(name)]
    if model is not None and model not in names:
        known = f"Known by name: {', '.join(names)}." if names else "None is listed by name."
        what = f"{model!r} is not listed by any provider here. {known}"
        raise Refusing(404, "model_not_found", what)
    if x.protocol.name == "anthropic_messages":
        shown = [_anthropic(name) for name in names]
        return _anthropic(model) if model else {"data": shown, "has_more": False}
    if x.protocol.name == "gemini_generate":
        return _gemini(live, model) if model else {"models": [_gemini(live, n) for n in names]}
    if model:
        return _openai(model)
    return {"object": "list", "data": [_openai(name) for name in names]}


def _openai(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "farthing"}


def _anthropic(name: str) -> dict[str, object]:
    return {
        "type": "model",
        "id": name,
        "display_name": name,
        "created_at": "1970-01-01T00:00:00Z",
    }


def _gemini(live: Live, name: str) -> dict[str, object]:
    actions = [
        action
        for action, (protocol, _) in paths.ACTIONS.items()
        if live.upstreams.serving(protocol, name)
    ]
    return {"name": f"models/{name}", "displayName": name, "supportedGenerationMethods": actions}
