"""Shared costs, borne by those who use them: `[[splits]]`, to the last picodollar.

A split names what is shared (a filter), over which dimension it is spread, and how: evenly, by
what each receiver spent itself, or by fixed shares. It is worked out when a report asks; the
ledger's rows stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from farthing.config import Split
from farthing.domain.errors import Refused
from farthing.domain.money import Money
from farthing.domain.where import All, parse
from farthing.ledger import queries

EVENLY, BY_USAGE = "even", "usage"


@dataclass(frozen=True, slots=True)
class Sharing:
    """One configured split, its filter read and its manner checked."""

    match: tuple[All, ...]
    over: str
    by: str | Mapping[str, int]

    @classmethod
    def read(cls, splits: Sequence[Split]) -> tuple[Sharing, ...]:
        return tuple(cls((parse(split.match),), split.over, _manner(split)) for split in splits)

    def touches(self, by: Sequence[str], where: tuple[All, ...]) -> bool:
        """Whether a report by these dimensions, or filtered so, tells receivers apart."""
        return self.over in by or any(
            condition.field == self.over for every in where for condition in every
        )


def weights(by: str | Mapping[str, int], spent: Mapping[str, Money]) -> dict[str, int]:
    """Each receiver's weight. `spent` is what each of them spent itself in the period."""
    if not isinstance(by, str):
        return dict(by)
    if by == EVENLY:
        return dict.fromkeys(sorted(spent), 1)
    return {name: max(spent[name].pico, 0) for name in sorted(spent)}


def share(amount: Money, weights: Mapping[str, int]) -> dict[str, Money]:
    """Each receiver's part. The parts sum to the amount; credits (negative) too."""
    return dict(zip(weights, amount.split(list(weights.values())), strict=True))


def as_if(where: tuple[All, ...], over: str, receiver: str) -> tuple[All, ...] | None:
    """The filter for a cost that this receiver bears: what it says of `over` is settled.

    None: the receiver does not pass. An empty tuple: everything passes.
    """
    if not where:
        return ()
    left: list[All] = []
    for every in where:
        settled = tuple(condition for condition in every if condition.field == over)
        if queries.holds((settled,), {over: receiver}):
            left.append(tuple(condition for condition in every if condition.field != over))
    if not left:
        return None
    return () if () in left else tuple(left)


def _manner(split: Split) -> str | Mapping[str, int]:
    if isinstance(split.by, str):
        if split.by in {EVENLY, BY_USAGE}:
            return split.by
        raise Refused(
            f"[[splits]] match = {split.match!r}: by = {split.by!r} is unknown. "
            'Use "even", "usage" or shares such as { search = 3, ads = 1 }.'
        )
    if not split.by or any(parts < 0 for parts in split.by.values()):
        raise Refused(
            f"[[splits]] match = {split.match!r}: shares are whole numbers from 0, "
            "at least one of them, such as { search = 3, ads = 1 }."
        )
    return split.by
