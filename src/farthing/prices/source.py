"""The seam for list prices. One source, one file in `sources/`, exported as `SOURCE`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import ClassVar, Protocol

import msgspec

from farthing.prices.tariff import Tariff


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A model that a source knows: who is billed for it, and whose price list says so.

    `owner` differs from `provider` where one offers another's models at the other's prices.
    `choices` are the context keys and values that change the price; any other value of them
    is the usual price. `context_window` and `max_output` are tokens, None where it is not said.
    """

    provider: str
    owner: str
    model: str
    released: date | None = None
    choices: Mapping[str, frozenset[str]] = {}
    context_window: int | None = None
    max_output: int | None = None
    source: str = ""  # which of several price lists knows it; set where there are several


class Source(Protocol):
    name: ClassVar[str]

    def find(self, provider: str | None, model: str) -> Found | None:
        """The model behind a reference; without a provider, only where the name says whose."""
        ...

    def tariffs(self, found: Found, context: Mapping[str, str]) -> tuple[Tariff, ...]:
        """Its price list over all time. Empty: known, but no price was ever published."""
        ...

    def provider(self, name: str) -> str | None:
        """The source's own id for a provider, however a log spells it."""
        ...

    def models(self) -> Iterator[Found]: ...
