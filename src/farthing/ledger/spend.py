"""What was spent, by any dimensions: calls plus charges, each dollar once, shared costs split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from farthing.domain.money import Money
from farthing.domain.where import All
from farthing.ledger import queries, shares
from farthing.ledger.queries import Expression, Selection
from farthing.ledger.schema import CHARGES
from farthing.ledger.shares import Sharing
from farthing.ledger.zones import Offsets

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Key = tuple[str | None, ...]


@dataclass(slots=True)
class Sums:
    """What one group's rows add up to. `shared` is what splits brought (or took, if negative)."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Money = Money.ZERO
    unpriced: int = 0
    shared: Money = Money.ZERO

    def add(self, other: Sums) -> None:
        self.calls += other.calls
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.cost += other.cost
        self.unpriced += other.unpriced
        self.shared += other.shared


@dataclass(frozen=True)
class Spending:
    """Asks one connection for sums. `grain.settle` must have run on it for this period."""

    connection: DuckDBPyConnection
    zone: ZoneInfo
    sharings: tuple[Sharing, ...] = ()
    clocks: dict[Any, Offsets] = field(default_factory=dict, compare=False)

    def by(self, selection: Selection, dimensions: Sequence[str]) -> dict[Key, Sums]:
        """The sums of each group that has rows; a key holds the dimensions' values as text."""
        sharings = [each for each in self.sharings if each.touches(dimensions, selection.where)]
        if not sharings:
            return {key[:-1]: sums for key, sums in self._sums(selection, dimensions).items()}
        groups: dict[Key, Sums] = {}
        bearers = [self._weights(selection, sharings, each) for each in sharings]
        for key, sums in self._sums(selection, dimensions, sharings).items():
            _add(groups, key[:-1], sums)
            if key[-1] is not None and bearers[int(key[-1])]:
                _add(groups, key[:-1], Sums(cost=-sums.cost, shared=-sums.cost))
        for index, weights in enumerate(bearers):
            self._spread(groups, selection, dimensions, sharings, index, weights)
        return groups

    def fallbacks(
        self, selection: Selection, dimensions: Sequence[str]
    ) -> tuple[int, dict[Key, int]]:
        """Calls to add to `Sums.calls` in all and per group, where attempts changed the group."""
        if not self._fetch(queries.later_attempts(selection)):
            return 0, {}
        # Held in memory, because finding them is the dear part and two questions are asked.
        found = queries.attempts(selection, dimensions, self._clock(selection))
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE attempts AS {queries.sql(found)}")
        held = queries.held(found, "attempts")
        keys = [f"k{index}" for index, _ in enumerate(dimensions)]
        (total,) = self._fetch(queries.fallbacks(held, ()))
        rows = self._fetch(queries.fallbacks(held, keys))
        return total[0], {self._key(dimensions, row[:-1]): row[-1] for row in rows}

    def unpriced(self, selection: Selection) -> dict[tuple[str | None, str | None], int]:
        """Rows without a price by provider and model, the most frequent first."""
        found: Counter[tuple[str | None, str | None]] = Counter()
        for entries in self._entries(selection):
            for provider, model, rows in self._fetch(queries.unpriced(entries)):
                found[provider, model] += int(rows)
        return dict(found.most_common())

    def unconverted(self, selection: Selection) -> dict[str, Decimal]:
        """What charges come to in each currency that has no rate, as billed."""
        if not self.has_charges:
            return {}
        charges = queries.charges(selection, shadowed=True)
        return dict(sorted(self._fetch(queries.unconverted(charges))))

    def covered(self, selection: Selection, names: Sequence[str]) -> dict[str, Money]:
        """The cost of what has each field or tag."""
        found = dict.fromkeys(names, Money.ZERO)
        for entries in self._entries(selection) if names else ():
            (row,) = self._fetch(queries.coverage(entries, names))
            for name, cost in zip(names, row, strict=True):
                found[name] += _money(cost)
        return found

    @property
    def has_charges(self) -> bool:
        charges = queries.table(CHARGES)
        return bool(self._fetch(charges.select("id").limit(1)))

    def _entries(self, selection: Selection) -> list[Expression]:
        charges = [queries.charges(selection, shadowed=True)] if self.has_charges else []
        return [queries.calls(selection), *charges]

    def _fetch(self, expression: Expression) -> list[tuple[Any, ...]]:
        return queries.fetch(self.connection, expression)

    def _spread(
        self,
        groups: dict[Key, Sums],
        selection: Selection,
        dimensions: Sequence[str],
        sharings: Sequence[Sharing],
        index: int,
        weights: dict[str, int],
    ) -> None:
        """Hand what the index-th sharing matches to those who bear it."""
        over = sharings[index].over
        others = [name for name in dimensions if name != over]
        for where, bearers in _filters(selection.where, over, weights).items():
            pots = self._sums(replace(selection, where=where), others, sharings)
            for key, sums in pots.items():
                if key[-1] != str(index):
                    continue
                parts = shares.share(sums.cost, weights)
                for bearer in bearers:
                    borne = Sums(cost=parts[bearer], shared=parts[bearer])
                    if borne.cost:
                        _add(groups, _whose(dimensions, over, bearer, key), borne)

    def _weights(
        self, selection: Selection, sharings: Sequence[Sharing], sharing: Sharing
    ) -> dict[str, int]:
        if not isinstance(sharing.by, str):
            return shares.weights(sharing.by, {})
        everything = replace(selection, where=())
        spent = {
            key[0]: sums.cost
            for key, sums in self._sums(everything, [sharing.over], sharings).items()
            if key[0] is not None and key[-1] is None
        }
        return shares.weights(sharing.by, spent)

    def _sums(
        self, selection: Selection, dimensions: Sequence[str], sharings: Sequence[Sharing] = ()
    ) -> dict[Key, Sums]:
        """Sums by dimensions and, last in the key, the sharing that the rows fall under."""
        clock = self._clock(selection)
        groups: dict[Key, Sums] = {}
        for entries in self._entries(selection):
            keys = queries.named_keys(entries, dimensions, clock)
            if sharings:
                keys["sharing"] = queries.first_match(entries, [each.match for each in sharings])
            for row in self._fetch(_summed(entries, keys, dimensions)):
                values = self._key(dimensions, row)
                last = row[len(dimensions)] if sharings else None
                _add(
                    groups, (*values, None if last is None else str(last)), _read(row[len(keys) :])
                )
        return groups

    def _key(self, dimensions: Sequence[str], row: Sequence[Any]) -> Key:
        return tuple(
            queries.label(name, value, self.zone)
            for name, value in zip(dimensions, row, strict=False)
        )

    def _clock(self, selection: Selection) -> Offsets:
        if selection.period not in self.clocks:
            self.clocks[selection.period] = queries.clock(
                self.connection, self.zone, selection.period
            )
        return self.clocks[selection.period]


def _summed(
    entries: Expression, keys: dict[str, Expression], dimensions: Sequence[str]
) -> Expression:
    if "asked" not in entries.columns:
        return queries.sums(entries, keys)
    model = next(
        (key for key, name in zip(keys, dimensions, strict=False) if name == "model"), None
    )
    return queries.call_sums(entries, keys, model)


def _filters(
    where: tuple[All, ...], over: str, weights: dict[str, int]
) -> dict[tuple[All, ...], list[str]]:
    """The bearers whom the filter admits, by what is left of it once they are known."""
    found: dict[tuple[All, ...], list[str]] = {}
    for bearer in weights:
        left = shares.as_if(where, over, bearer)
        if left is not None:
            found.setdefault(left, []).append(bearer)
    return found


def _whose(dimensions: Sequence[str], over: str, bearer: str, others: Key) -> Key:
    left = iter(others)
    return tuple(bearer if name == over else next(left) for name in dimensions)


def _read(totals: Sequence[Any]) -> Sums:
    calls, input_tokens, output_tokens, cost, unpriced = totals
    return Sums(
        int(calls or 0),
        int(input_tokens or 0),
        int(output_tokens or 0),
        _money(cost),
        int(unpriced or 0),
    )


def _money(value: Decimal | None) -> Money:
    return Money.ZERO if value is None else Money.of(value)


def _add(groups: dict[Key, Sums], key: Key, sums: Sums) -> None:
    found = groups.get(key)
    if found is None:
        groups[key] = sums
    else:
        found.add(sums)
