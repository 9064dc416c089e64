"""Read what is asked, and say who for: the key's scope, then headers and metadata, then rules."""

from __future__ import annotations

from farthing.access.keys import tenant_of
from farthing.domain.errors import BadInput
from farthing.domain.scope import SCOPE
from farthing.domain.trace import parent_of, state_of
from farthing.domain.where import holds
from farthing.gateway.exchange import Exchange, Refusing
from farthing.gateway.live import Live
from farthing.gateway.pipeline import Rest
from farthing.providers.protocols.openai_chat import FALLBACK_MODELS

_PREFIX = b"x-farthing-"
_SESSION = ("session", "session_id")
_OWNERS = frozenset(SCOPE) - {"key"}
# Ours, but no labels.
_WORDS = frozenset({"cache", "request_id", "tenant", "key", "attempt", "model", "provider"})
_TAKEN = _WORDS | {"account", "operation", "session_id"}
_LONGEST = 200


class Scope:
    def __init__(self, live: Live) -> None:
        self._live = live

    async def __call__(self, x: Exchange, rest: Rest) -> None:
        key = x.key
        assert key is not None
        x.body = await x.read_body()
        try:
            x.ask = x.protocol.read(x.body, x.path_model, stream=x.path_stream)
        except BadInput as error:
            raise Refusing(400, "bad_request", str(error)) from error
        x.knobs, x.asked = self._live.knobs, True
        if not key.allows(x.ask.model) or (key.models and x.ask.unbounded == FALLBACK_MODELS):
            raise Refusing(
                403, "model_not_allowed",
                f"Key {key.id} may not ask for {x.ask.model!r}, only {', '.join(key.models)}.",
            )  # fmt: skip
        x.facts = {**key.scope, "key": key.id}
        x.tags = dict(key.tags)
        self._from_headers(x)
        self._from_metadata(x)
        x.facts["model"], x.facts["operation"] = x.ask.model, x.ask.operation
        x.facts["session_id"], x.facts["tenant"] = x.session, key.tenant
        facts: dict[str, str | None] = {**x.tags, **x.facts}
        for where, rule in self._live.rules:
            if holds(where, facts):
                for name, value in rule.sets.items():
                    if not facts.get(name):
                        facts[name] = x.facts[name] = value
        x.facts = facts
        x.tenant = tenant_of(key, facts.get("customer"))
        await rest(x)

    def _from_headers(self, x: Exchange) -> None:
        for name, value in x.headers:
            if name.startswith(_PREFIX):
                label = name[len(_PREFIX) :].decode("latin-1").replace("-", "_")
                _label(x, label, value.decode("utf-8", "replace").strip())
            elif name == b"traceparent" and (parent := parent_of(value)) is not None:
                x.trace_id, x.parent_span = parent
                x.trace_state = state_of(x.header(b"tracestate"))

    def _from_metadata(self, x: Exchange) -> None:
        if x.ask.user and "user" not in x.tags:
            x.tags["user"] = x.ask.user[:_LONGEST]
        for label, value in x.ask.metadata.items():
            _label(x, label, value)


def _label(x: Exchange, name: str, value: str) -> None:
    """What was said first stands: the key before the headers, the headers before the body."""
    if not value:
        return
    if len(value) > _LONGEST or not value.isprintable():
        raise Refusing(
            400,
            "bad_request",
            f"The label {name[:80]!r} is not 1 to {_LONGEST} printable characters.",
        )
    if name in _SESSION:
        x.session = x.session or value
    elif name in _OWNERS:
        x.facts.setdefault(name, value)
    elif name not in _TAKEN:
        x.tags.setdefault(name, value)
