"""Who asks for a model, and what for: worked out once for all calls that say the same."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from farthing.access.keys import Key, tenant_of
from farthing.domain.scope import SCOPE
from farthing.gateway.upstreams import Upstream

_SAID = (*SCOPE, "session_id")  # of the facts, what a row says of whom it belongs to
_encode = msgspec.json.Encoder(order="sorted").encode


def json_of(labels: Mapping[str, object]) -> str | None:
    return _encode(labels).decode() if labels else None


class Post:
    """A standing before one provider."""

    __slots__ = ("_paths", "facts", "line", "upstream", "who")

    def __init__(self, facts: Mapping[str, str | None], upstream: Upstream) -> None:
        self.upstream = upstream
        of_it = {"provider": upstream.provider, "account": upstream.account}
        self.facts = {**facts, **of_it}  # for filters
        self.who = {name: value for name, value in self.facts.items() if value}  # for prices
        self.line = fields(of_it)  # of its rows
        self._paths: dict[tuple[str, str, bool, bool], bytes] = {}

    def path(self, protocol: str, model: str, *, stream: bool, events: bool) -> bytes:
        """The path and query under which this provider takes the call."""
        found = self._paths.get((protocol, model, stream, events))
        if found is None:
            found = self.upstream.path(protocol, model, stream=stream, events=events)
            self._paths[protocol, model, stream, events] = found
        return found


class Standing:
    """Facts are shared by many calls: nobody changes them."""

    __slots__ = ("_lines", "_posts", "facts", "key", "session", "tags", "tenant")

    def __init__(self, key: Key, facts: Mapping[str, str | None], tags: Mapping[str, str]) -> None:
        self.key, self.facts, self.tags = key, facts, tags
        self.session = facts["session_id"]
        self.tenant = tenant_of(key, facts.get("customer"))
        self._posts: dict[str, Post] = {}
        self._lines: dict[tuple[str, str | None], bytes] = {}

    def at(self, upstream: Upstream) -> Post:
        found = self._posts.get(upstream.name)
        if found is None or found.upstream is not upstream:
            found = self._posts[upstream.name] = Post(self.facts, upstream)
        return found

    def line(self, policy_version: str, arm: str | None) -> bytes:
        """The part of every row that is the same for all these calls, as JSON without braces."""
        found = self._lines.get((policy_version, arm))
        if found is None:
            self._lines.clear()  # versions pass
            said: dict[str, object] = {
                "source": "gateway",
                "operation": self.facts["operation"],
                "model": self.facts["model"],
                "policy_version": policy_version,
                "arm": arm,
                "tags": json_of(self.tags),
            }
            said |= {name: self.facts.get(name) for name in _SAID}
            found = self._lines[policy_version, arm] = fields(said)
        return found


def fields(said: Mapping[str, object]) -> bytes:
    """What is known, as JSON without braces; empty where nothing is."""
    return _encode({name: value for name, value in said.items() if value is not None})[1:-1]
