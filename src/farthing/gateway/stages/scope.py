"""Read what is asked, and say who for: the key's scope, then headers and metadata, then rules."""

from __future__ import annotations

from farthing.access.keys import Key
from farthing.domain.errors import BadInput
from farthing.domain.scope import SCOPE
from farthing.domain.trace import parent_of, state_of
from farthing.domain.where import holds
from farthing.gateway.body import read
from farthing.gateway.exchange import Exchange, Refusing
from farthing.gateway.headers import LABEL
from farthing.gateway.live import Live
from farthing.gateway.pipeline import Rest
from farthing.gateway.standing import Standing
from farthing.providers.protocols.openai_chat import FALLBACK_MODELS

MANY, LARGE = 2_000, 2_000  # standings that are remembered, and characters that say one
_SESSION = ("session", "session_id")
_OWNERS = frozenset(SCOPE) - {"key"}
# Ours, but no labels.
_WORDS = frozenset({"cache", "request_id", "tenant", "key", "attempt", "model", "provider"})
_TAKEN = _WORDS | {"account", "operation", "session_id"}
_LONGEST = 200


class Scope:
    def __init__(self, live: Live) -> None:
        self._live = live
        self._rules = live.rules
        self._standings: dict[object, Standing] = {}

    async def __call__(self, x: Exchange, rest: Rest) -> None:
        key, live = x.key, self._live
        assert key is not None
        body = x.body = await read(x, live.most_body)
        try:
            ask = x.ask = x.protocol.read(body, x.path_model, stream=x.path_stream)
        except BadInput as error:
            raise _unread(x, error) from error
        x.knobs = live.knobs
        standing = x.standing = self._standing(x, key)
        x.asked = True
        x.facts, x.session, x.tenant = standing.facts, standing.session, standing.tenant
        if key.models and not _allowed(key, x):
            raise Refusing(
                403, "model_not_allowed",
                f"Key {key.id} may not ask for {ask.model!r}, only {', '.join(key.models)}.",
            )  # fmt: skip
        if (place := x.names.first.get(b"traceparent")) is not None:
            _join_trace(x, x.headers[place][1])
        await rest(x)

    def _standing(self, x: Exchange, key: Key) -> Standing:
        ask = x.ask
        if self._rules is not self._live.rules:
            self._rules = self._live.rules
            self._standings.clear()
        said = (
            key.id,
            ask.protocol,
            ask.operation,
            ask.model,
            ask.user,
            tuple([x.headers[place] for place in x.names.labels]) if x.names.labels else None,
            tuple(ask.metadata.items()) if ask.metadata else None,
        )
        found = self._standings.get(said)
        if found is None or found.key is not key:
            found = self._worked_out(x, key)
            if _size(x) <= LARGE:
                if len(self._standings) >= MANY:
                    self._standings.clear()
                self._standings[said] = found
        return found

    def _worked_out(self, x: Exchange, key: Key) -> Standing:
        said = _Said(key)
        for place in x.names.labels:
            header, word = x.headers[place]
            label = header[len(LABEL) :].decode("latin-1").replace("-", "_")
            said.label(label, word.decode("utf-8", "replace").strip())
        if x.ask.user:
            said.tags.setdefault("user", x.ask.user[:_LONGEST])
        for label, value in x.ask.metadata.items():
            said.label(label, value)
        facts: dict[str, str | None] = {
            **said.tags,
            **said.owners,
            "model": x.ask.model,
            "operation": x.ask.operation,
            "session_id": said.session,
            "tenant": key.tenant,
        }
        for where, rule in self._rules:
            if holds(where, facts):
                for name, value in rule.sets.items():
                    facts[name] = facts.get(name) or value
        return Standing(key, facts, said.tags)


class _Said:
    """What was said first stands: the key before the headers, the headers before the body."""

    def __init__(self, key: Key) -> None:
        self.owners = {**key.scope, "key": key.id}
        self.tags = dict(key.tags)
        self.session: str | None = None

    def label(self, name: str, value: str) -> None:
        if not value:
            return
        if len(value) > _LONGEST or not value.isprintable() or "\ufffd" in value:  # no UTF-8
            raise Refusing(
                400,
                "bad_request",
                f"The label {name[:80]!r} is not 1 to {_LONGEST} printable characters.",
            )
        if name in _SESSION:
            self.session = self.session or value
        elif name in _OWNERS:
            self.owners.setdefault(name, value)
        elif name not in _TAKEN:
            self.tags.setdefault(name, value)


def _size(x: Exchange) -> int:
    """Characters that the caller said of whom it is: names as well, and what nobody heeds."""
    ask = x.ask
    labels = sum(
        [len(name) + len(word) for name, word in map(x.headers.__getitem__, x.names.labels)]
    )
    told = sum([len(name) + len(word) for name, word in ask.metadata.items()])
    return len(ask.model) + len(ask.user or "") + labels + told


def _unread(x: Exchange, error: BadInput) -> Refusing:
    coding = x.said(b"content-encoding")
    if coding and coding.lower() != "identity":
        text = f"A body in content-encoding {coding[:40]!r} is not read here. Send plain JSON."
        return Refusing(415, "unsupported_encoding", text)
    return Refusing(400, "bad_request", str(error))


def _allowed(key: Key, x: Exchange) -> bool:
    return key.allows(x.ask.model) and x.ask.unbounded != FALLBACK_MODELS


def _join_trace(x: Exchange, traceparent: bytes) -> None:
    if (parent := parent_of(traceparent)) is not None:
        x.trace_id, x.parent_span = parent
        x.trace_state = state_of(x.header(b"tracestate"))
