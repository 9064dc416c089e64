"""The ledger beside the provider's own figures, per day, model and project. Only reads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from farthing.domain.money import Money
from farthing.domain.period import Period
from farthing.domain.where import Condition
from farthing.ledger import models, queries
from farthing.ledger.queries import Selection
from farthing.ledger.reasons import Difference, Side, reason

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """What is compared. An empty name: none, or not compared."""

    day: date
    model: str
    project: str


Rename = Callable[[Place], Place]


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison. `difference` = invoice (else usage) - ledger; None: not billed."""

    day: date
    provider: str
    model: str | None
    project: str | None
    ledger: Money | None
    usage: Money | None
    invoice: Money | None
    difference: Money | None
    reason: str | None

    @property
    def differs(self) -> bool:
        """Whether somebody should look: a gap that rounding does not explain."""
        return bool(self.difference) and self.reason != "rounding"


@dataclass(frozen=True, slots=True)
class Reconciliation:
    provider: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    rename: Rename  # from a call's own names to those of the rows


Sides = dict[str, Side]  # by grain


def reconcile(
    connection: DuckDBPyConnection,
    provider: str,
    period: Period,
    zone: ZoneInfo,
    account: str | None = None,
) -> Reconciliation:
    """Compare at the finest level that all sides have, and say where that is coarser."""
    places = _read(connection, _selection(provider, account, period), zone)
    rename, notes = level(places)
    return Reconciliation(
        provider, tuple(compare(provider, _merged(places, rename))), notes, rename
    )


def level(places: Mapping[Place, Sides]) -> tuple[Rename, tuple[str, ...]]:
    """The names under which all sides can be compared, and what had to be left out for it."""
    notes = []
    models_of = _names(places, "model")
    with_models = not _incomparable(models_of)
    names = models.same_names(models_of.values()) if with_models else {}
    if not with_models:
        notes.append("Compared without models: one side names none.")
    projects = _names(places, "project")
    bill = set().union(*(found for grain, found in projects.items() if grain != "call"))
    both = "call" in projects and len(projects) > 1
    with_projects = not both or bool(projects["call"] & bill)
    if not with_projects and projects["call"] | bill:
        notes.append(
            "Compared without projects: the ledger and the bill have no project in common."
        )

    def rename(place: Place) -> Place:
        return Place(place.day, names.get(place.model, ""), place.project if with_projects else "")

    return rename, tuple(notes)


def compare(provider: str, places: Mapping[Place, Sides]) -> Iterable[Row]:
    """One row a place, with the gap and its likely reason."""
    billed = {place.day for place, sides in places.items() if _bill(sides) is not None}
    gaps = {place: _gap(sides, billed=place.day in billed) for place, sides in places.items()}
    known = any(place.model for place in places)
    for place, sides in sorted(places.items()):
        around = (replace(place, day=place.day + timedelta(n)) for n in (-1, 1))
        near = tuple(gap for each in around if (gap := gaps.get(each)) is not None)
        difference = Difference(
            place.model or None,
            sides.get("call"),
            sides.get("usage"),
            sides.get("invoice"),
            gaps[place],
            near,
            known,
        )
        yield Row(
            place.day,
            provider,
            place.model or None,
            place.project or None,
            _cost(difference.ledger),
            _cost(difference.usage),
            _cost(difference.invoice),
            gaps[place],
            reason(difference),
        )


def _selection(provider: str, account: str | None, period: Period) -> Selection:
    whose = Condition("provider", "=", provider)
    if account is None:
        return Selection(period, ((whose,),))
    # A row without an account stands for the only one, or may be of any.
    accounts = (account, None)
    return Selection(period, tuple((whose, Condition("account", "=", each)) for each in accounts))


def _read(
    connection: DuckDBPyConnection, selection: Selection, zone: ZoneInfo
) -> dict[Place, Sides]:
    clock = queries.clock(connection, zone, selection.period)
    charges = queries.billing_calls(queries.charges(selection, shadowed=False))
    places: dict[Place, Sides] = defaultdict(dict)
    for entries in (queries.calls(selection), charges):
        for row in queries.fetch(connection, queries.compared(entries, clock)):
            day, grain, model, project, *figures = row
            places[Place(day, model or "", project or "")][grain] = _side(figures)
    return dict(places)


def _side(figures: Sequence[Any]) -> Side:
    cost, calls, tokens, consumed, unpriced, recovered, tiered, credit = figures
    return Side(
        None if cost is None else Money.of(cost),
        int(calls or 0),
        int(tokens or consumed or 0),
        int(unpriced or 0),
        int(recovered or 0),
        bool(tiered),
        Money.of(credit or 0),
    )


def _names(places: Mapping[Place, Sides], field: str) -> dict[str, set[str]]:
    """The names each grain uses for models or projects."""
    found: dict[str, set[str]] = defaultdict(set)
    for place, sides in places.items():
        for grain in sides:
            found[grain] |= {getattr(place, field)} - {""}
    return dict(found)


def _incomparable(names: Mapping[str, set[str]]) -> bool:
    return len(names) > 1 and any(names.values()) and not all(names.values())


def _merged(places: Mapping[Place, Sides], rename: Rename) -> dict[Place, Sides]:
    merged: dict[Place, Sides] = defaultdict(dict)
    for place, sides in places.items():
        target = merged[rename(place)]
        for grain, side in sides.items():
            target[grain] = _together(target[grain], side) if grain in target else side
    return dict(merged)


def _together(one: Side, other: Side) -> Side:
    costs = [side.cost for side in (one, other) if side.cost is not None]
    return Side(
        Money.sum(costs) if costs else None,
        one.calls + other.calls,
        one.tokens + other.tokens,
        one.unpriced + other.unpriced,
        one.recovered + other.recovered,
        one.tiered or other.tiered,
        one.credit + other.credit,
    )


def _cost(side: Side | None) -> Money | None:
    return None if side is None else side.cost


def _bill(sides: Sides) -> Money | None:
    invoice = _cost(sides.get("invoice"))
    return invoice if invoice is not None else _cost(sides.get("usage"))


def _gap(sides: Sides, *, billed: bool) -> Money | None:
    """Bill less ledger. On a day that is billed, what the bill lacks counts as nothing billed."""
    bill = _bill(sides)
    if bill is None and not billed:
        return None
    return (bill or Money.ZERO) - (_cost(sides.get("call")) or Money.ZERO)
