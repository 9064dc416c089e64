"""The price lists of the models in use, as the clerk told them: small, in memory and a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import msgspec

from farthing.prices.source import Found, Source
from farthing.prices.tariff import Tariff

NAMES = 5_000  # of models that are remembered: they come from outside
CONTEXTS = 256  # that one model may be priced in; the most of a list today is 10

_Key = tuple[str | None, str]


class PriceList(msgspec.Struct, frozen=True):
    """What a model costs in each of some contexts. `tariffs` are JSON until somebody asks."""

    contexts: tuple[Mapping[str, str], ...]
    tariffs: msgspec.Raw


class Told(msgspec.Struct, frozen=True):
    """The clerk's answer about one name. Nothing found: no price list knows it."""

    provider: str | None
    model: str
    provider_id: str | None  # the price list's own, however `provider` spells it
    found: Found | None = None
    lists: tuple[PriceList, ...] = ()


class Shelf:
    """A Source that knows what it was told, and nothing else."""

    name: ClassVar[str] = "genai-prices"  # whose price lists these are

    def __init__(self) -> None:
        self._found: dict[_Key, Found] = {}
        self._providers: dict[str, str] = {}
        self._lists: dict[tuple[str, str, str], tuple[PriceList, ...]] = {}

    def put(self, told: Told) -> _Key | None:
        """Keep an answer. The name that had to go for it, if any: nothing is known of it now."""
        if told.provider is not None and told.provider_id is not None:
            self._providers[told.provider] = told.provider_id
        if told.found is None:
            return None
        oldest = next(iter(self._found)) if len(self._found) >= NAMES else None
        if oldest:
            del self._found[oldest]
        self._found[told.provider, told.model] = told.found
        self._lists[_identity(told.found)] = told.lists
        return oldest

    def find(self, provider: str | None, model: str) -> Found | None:
        return self._found.get((provider, model))

    def tariffs(self, found: Found, context: Mapping[str, str]) -> tuple[Tariff, ...]:
        asked = {k: v for k, v in context.items() if v in found.choices.get(k, ())}
        for each in self._lists.get(_identity(found), ()):
            if asked in each.contexts:
                return _TARIFFS.decode(each.tariffs)
        return ()

    def provider(self, name: str) -> str | None:
        return self._providers.get(name)

    def models(self) -> Iterator[Found]:
        seen: set[tuple[str, str, str]] = set()
        for found in self._found.values():
            if _identity(found) not in seen:
                seen.add(_identity(found))
                yield found

    def known(self) -> Iterator[Told]:
        """All that was found, to be put on another shelf."""
        for (provider, model), found in self._found.items():
            told = self._providers.get(provider) if provider else None
            yield Told(provider, model, told, found, self._lists[_identity(found)])


def told_by(source: Source, provider: str | None, model: str) -> Told:
    """What a price list says of one name, in every context that matters to it."""
    provider_id = source.provider(provider) if provider else None
    found = source.find(provider, model)
    contexts = _contexts(found) if found else []
    if found is None or len(contexts) > CONTEXTS:
        return Told(provider, model, provider_id)
    alike: dict[bytes, list[Mapping[str, str]]] = {}
    for context in contexts:
        tariffs = msgspec.json.encode(source.tariffs(found, context))
        alike.setdefault(tariffs, []).append(context)
    lists = tuple(PriceList(tuple(where), msgspec.Raw(said)) for said, where in alike.items())
    return Told(provider, model, provider_id, found, lists)


def _contexts(found: Found) -> list[dict[str, str]]:
    contexts: list[dict[str, str]] = [{}]
    for key, values in sorted(found.choices.items()):
        more = [{**context, key: value} for value in sorted(values) for context in contexts]
        contexts += more[: CONTEXTS + 1]
    return contexts


def _identity(found: Found) -> tuple[str, str, str]:
    return found.provider, found.owner, found.model


_TARIFFS = msgspec.json.Decoder(tuple[Tariff, ...])
