"""The dearest that some rows of a price list charge for a token, whatever kind of token it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from farthing.domain.usage import BUCKETS, INPUT_BUCKETS, OUTPUT_BUCKETS
from farthing.prices.bound import Bound, Step
from farthing.prices.rate import Rate
from farthing.prices.units import units

REQUESTS = "requests"


def of(
    rows: Sequence[Rate], *, window: int | None, most: int | None, since: float, until: float
) -> Bound:
    """The bound over all of these rows: any of them may price the call."""
    sizes = sorted({row.upto for row in rows if row.upto is not None})
    return Bound(
        steps=tuple(_step(rows, size) for size in (*sizes, None)),
        extras=_largest(_extras(row.contracted) for row in rows),
        minimums=_largest(row.minimums for row in rows),
        context_window=window,
        max_output=most,
        since=since,
        until=until,
    )


def _step(rows: Sequence[Rate], upto: int | None) -> Step:
    """Fewer tokens than the bound may be used, so smaller sizes count, too."""
    reached = [
        row.contracted for row in rows if upto is None or row.above is None or row.above < upto
    ]
    return Step(
        upto,
        max(_token(rates, INPUT_BUCKETS, "input") for rates in reached),
        max(_token(rates, OUTPUT_BUCKETS, "output") for rates in reached),
        max(max(rates.get(REQUESTS, 0), 0) for rates in reached),
    )


def _token(rates: Mapping[str, int], buckets: tuple[str, ...], direction: str) -> int:
    """The dearest bucket, and what a detail may add: of one modality, or of none in particular.

    What a detail takes off does not count: a provider need not report it.
    """
    added: dict[str | None, int] = {None: 0}
    for name, atto in rates.items():
        unit = None if name in BUCKETS else units().get(name)
        if unit is None or atto <= 0 or not unit.is_token:
            continue
        told = dict(unit.dimensions)
        if told["direction"] == direction:
            modality = told.get("modality")
            added[modality] = added.get(modality, 0) + atto
    anyway = added.pop(None)
    bucket = max(rates.get(bucket, 0) for bucket in buckets)
    return max(bucket, 0) + anyway + max(added.values(), default=0)


def _extras(rates: Mapping[str, int]) -> dict[str, int]:
    return {
        unit: atto
        for unit, atto in rates.items()
        if unit not in BUCKETS and unit != REQUESTS and atto > 0 and not units()[unit].is_token
    }


def _largest(told: Iterable[Mapping[str, int]]) -> dict[str, int]:
    most: dict[str, int] = {}
    for each in told:
        for unit, count in each.items():
            most[unit] = max(count, most.get(unit, 0))
    return most
