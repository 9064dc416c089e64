"""Several price lists as one: the first that knows a model prices it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import msgspec

from farthing.prices.source import Found, Source
from farthing.prices.tariff import Tariff


class Chain:
    """A Source made of others. A model that two of them know is listed once, the first's."""

    name: ClassVar[str] = "chain"

    def __init__(self, sources: tuple[Source, ...]) -> None:
        self._sources = {source.name: source for source in sources}

    def find(self, provider: str | None, model: str) -> Found | None:
        for source in self._sources.values():
            if found := source.find(provider, model):
                return msgspec.structs.replace(found, source=source.name)
        return None

    def tariffs(self, found: Found, context: Mapping[str, str]) -> tuple[Tariff, ...]:
        return self._sources[found.source].tariffs(found, context)

    def provider(self, name: str) -> str | None:
        known = (source.provider(name) for source in self._sources.values())
        return next((ours for ours in known if ours), None)

    def models(self) -> Iterator[Found]:
        seen: set[tuple[str, str]] = set()
        for source in self._sources.values():
            for found in source.models():
                if (found.provider, found.model) not in seen:
                    seen.add((found.provider, found.model))
                    yield msgspec.structs.replace(found, source=source.name)
