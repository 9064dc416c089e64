"""Rules of a policy that lead to a model which no provider serves: they do nothing, so say so."""

from __future__ import annotations

from collections.abc import Iterator, Set

from farthing.gateway.upstreams import Upstreams
from farthing.policy.policy import Policy

_HINT = "Add it to the models of a provider in farthing.toml, or correct `to`."


def unserved(policy: Policy, upstreams: Upstreams) -> list[str]:
    """One sentence for each: which rule, which model, what then happens, what to do."""
    spoken = {name for each in upstreams.all.values() for name in each.kind.speaks}
    return [
        f"{rule}: no provider serves {name!r}, so {so}. {_HINT}"
        for rule, name, so in _named(policy)
        if not _is_served(upstreams, spoken, name)
    ]


def _named(policy: Policy) -> Iterator[tuple[str, str, str]]:
    for number, route in enumerate(policy.routes, 1):
        if route.to:  # else it only asks for another tier
            yield f"[[route]] entry {number}", route.to, "its calls go where they went before"
    for number, fallback in enumerate(policy.fallbacks, 1):
        for name in fallback.to:
            yield f"[[fallback]] entry {number}", name, "it stands in for nothing"


def _is_served(upstreams: Upstreams, spoken: Set[str], name: str) -> bool:
    """In any protocol: `model`, or `provider/model`; models have slashes, too."""
    provider, slash, model = name.partition("/")
    if slash and provider in upstreams.all:
        return any(upstreams.takes(provider, protocol, model) for protocol in spoken)
    return any(upstreams.serving(protocol, name) for protocol in spoken)
