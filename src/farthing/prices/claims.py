"""Which contract prices a call: globs are asked once for each caller."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from farthing.prices.contracts import Contract

MANY = 100_000  # callers that are remembered


class Claims:
    """The contracts over one model, and which of them hold for whom."""

    __slots__ = ("contracts", "fields", "known")

    def __init__(self, contracts: tuple[Contract, ...]) -> None:
        self.contracts = contracts
        self.fields = tuple(dict.fromkeys(field for c in contracts for field in c.who))
        self.known: dict[tuple[str | None, ...], tuple[Contract, ...]] = {}

    def first(self, who: Mapping[str, str], when: datetime) -> int:
        """The number of the one that prices a call; 0: none does."""
        return next((c.number for c in self.holding(who) if c.is_price and c.holds(when)), 0)

    def holding(self, who: Mapping[str, str]) -> tuple[Contract, ...]:
        """Those that are for a caller, at one time or another, first match first."""
        asked = tuple([who.get(field) for field in self.fields])
        holding = self.known.get(asked)
        if holding is None:
            if len(self.known) >= MANY:
                self.known.clear()
            holding = tuple(c for c in self.contracts if c.is_for(who))
            self.known[asked] = holding
        return holding
