"""Which configured provider can serve a model, and where it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

import msgspec

from farthing.config import Settings
from farthing.config import Upstream as Configured
from farthing.domain.errors import Refused
from farthing.providers.kinds import KINDS, Kind, joined
from farthing.providers.transport.wire import Headers, Origin, Timeouts

MANY = 10_000  # models that are remembered: names come from callers
_PORTS = {"http": 80, "https": 443}
# Whose a model is by its name, where several providers name no models of their own.
_FAMILIES: Mapping[str, tuple[str, ...]] = {
    "openai": ("gpt-", "chatgpt-", "o1", "o3", "o4", "text-embedding-", "codex-", "ft:"),
    "anthropic": ("claude-",),
    "gemini": ("gemini-", "gemma-", "text-multilingual-embedding"),
    "mistral": ("mistral-", "codestral-", "ministral-", "pixtral-", "magistral-", "devstral-"),
    "deepseek": ("deepseek-",),
    "simulator": ("sim-",),
}


class Upstream(msgspec.Struct, frozen=True, kw_only=True):
    """One account with a provider, ready to be called. Its secrets are asked for at each call."""

    name: str  # in farthing.toml
    kind: Kind
    origin: Origin
    base_path: bytes
    secret: Callable[[], str]
    headers: Callable[[], Headers]
    models: tuple[str, ...]
    provider: str  # as the ledger's rows name it
    account: str | None
    weight: int
    region: str | None
    timeouts: Timeouts

    def path(self, protocol: str, model: str, *, stream: bool, events: bool) -> bytes:
        return joined(
            self.base_path, self.kind.target(protocol, model, stream=stream, events=events)
        )

    def serves(self, model: str) -> bool:
        return any(fnmatchcase(model, glob) for glob in self.models)


class Target(msgspec.Struct, frozen=True):
    """Where an attempt goes: a provider, and the model as that provider calls it."""

    upstream: Upstream
    model: str


class Upstreams:
    """Every configured provider that can be called."""

    def __init__(self, upstreams: tuple[Upstream, ...]) -> None:
        self.all = {each.name: each for each in upstreams}
        self._known: dict[tuple[str, str], tuple[str, ...]] = {}
        self._taken: dict[tuple[str, str, str], bool] = {}

    def serving(self, protocol: str, model: str) -> tuple[str, ...]:
        """The names of those that take this model in this protocol.

        First those that list the model, else those that list none and whose family it is, else
        any that lists none.
        """
        known = self._known.get((protocol, model))
        if known is None:
            if len(self._known) >= MANY:
                self._known.clear()
            known = self._known[protocol, model] = tuple(self._find(protocol, model))
        return known

    def takes(self, name: str, protocol: str, model: str) -> bool:
        """Whether one provider, asked by name, can be sent this model in this protocol."""
        known = self._taken.get((name, protocol, model))
        if known is None:
            if len(self._taken) >= MANY:
                self._taken.clear()
            known = self._taken[name, protocol, model] = self._takes(name, protocol, model)
        return known

    def _takes(self, name: str, protocol: str, model: str) -> bool:
        upstream = self.all.get(name)
        if upstream is None or protocol not in upstream.kind.speaks:
            return False
        return not upstream.models or upstream.serves(model)

    def models(self) -> list[str]:
        """The models that are listed by name."""
        listed = (model for each in self.all.values() for model in each.models)
        return sorted({model for model in listed if not set("*?[") & set(model)})

    def _find(self, protocol: str, model: str) -> list[str]:
        speaking = [each for each in self.all.values() if protocol in each.kind.speaks]
        if listing := [each.name for each in speaking if each.serves(model)]:
            return listing
        anything = [each for each in speaking if not each.models]
        family = [each.name for each in anything if _is_of(model, each.kind.name)]
        return family or [each.name for each in anything]


def upstreams_of(
    settings: Settings,
    secret: Callable[[str | None], Callable[[], str]],
    proxy: Callable[[str, str], str | None],
    kinds: Mapping[str, Kind] = KINDS,
) -> Upstreams:
    """From the configuration. `secret` reads a reference; `proxy` is the environment's choice."""
    return Upstreams(
        tuple(
            _upstream(name, told, secret, proxy, settings, kinds)
            for name, told in settings.providers.items()
            if told.kind is not None
        )
    )


def _upstream(
    name: str,
    told: Configured,
    secret: Callable[[str | None], Callable[[], str]],
    proxy: Callable[[str, str], str | None],
    settings: Settings,
    kinds: Mapping[str, Kind],
) -> Upstream:
    kind = kinds.get(told.kind or "")
    if kind is None:
        raise Refused(
            f"[providers.{name}]: no kind is called {told.kind!r}. Use {', '.join(sorted(KINDS))}."
        )
    url = told.base_url or kind.base_url
    if url is None:
        raise Refused(f"[providers.{name}]: give base_url, the address of the {kind.name} API.")
    parts = urlsplit(url)
    host = parts.hostname or ""
    extra = [(key.lower().encode(), secret(value)) for key, value in told.headers.items()]
    return Upstream(
        name=name,
        kind=kind,
        origin=Origin(
            scheme=parts.scheme,
            host=host,
            port=parts.port or _PORTS[parts.scheme],
            proxy=secret(told.proxy)() if told.proxy else proxy(parts.scheme, host),
            ca_file=told.ca_file,
        ),
        base_path=parts.path.encode(),
        secret=secret(told.api_key),
        headers=lambda: [(key, value().encode()) for key, value in extra],
        models=told.models,
        provider=_row_provider(name, told, kind, settings),
        account=told.account or _apart(name, told, kind, settings),
        weight=told.weight,
        region=told.region,
        timeouts=Timeouts(first=float(told.timeout_seconds)),
    )


def _row_provider(name: str, told: Configured, kind: Kind, settings: Settings) -> str:
    """Whose bill it is, so that invoices and usage pages match; a contract's own name stays."""
    if any(entry.get("provider") == name for entry in settings.prices):
        return name
    return told.priced_as or kind.priced_as or name


def _apart(name: str, told: Configured, kind: Kind, settings: Settings) -> str | None:
    """Two accounts with one provider must not look like one."""
    mine = told.priced_as or kind.priced_as or name
    others = [
        other
        for label, other in settings.providers.items()
        if label != name and other.kind in KINDS
        if (other.priced_as or KINDS[other.kind or ""].priced_as or label) == mine
    ]
    return name if others else None


def _is_of(model: str, kind: str) -> bool:
    return model.lower().startswith(_FAMILIES.get(kind, ()))
