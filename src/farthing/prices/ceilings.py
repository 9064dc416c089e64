"""Bounds of live calls, worked out from the price book once for each stretch of time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from itertools import product
from typing import TYPE_CHECKING

from farthing.prices import dearest
from farthing.prices.bound import Bound
from farthing.prices.charge import Charge
from farthing.prices.contracts import Contract
from farthing.prices.gap import STANDARD
from farthing.prices.limits import max_output
from farthing.prices.offers import Unpriced

if TYPE_CHECKING:
    from farthing.prices.book import Book

MANY = 5_000  # bounds that are remembered: models and tiers come from outside
# A call that began under a bound is priced before so much time has passed since.
LONGEST_CALL = timedelta(minutes=15)
HORIZON = timedelta(days=1)  # looked ahead for changes of price

TIER, PROCESSING, BATCH = "service_tier", "processing", "batch"
# Nobody is billed for these who did not ask for them.
_ON_REQUEST = frozenset({"speed"})
_AT_STANDARD = STANDARD - {"auto"} | {"standard_only"}
# Tiers that the provider leaves for the usual one where it is short of them.
_MAY_FALL_BACK = frozenset({"priority", "fast", "performance"})

_Context = tuple[tuple[str, str], ...]
_Question = tuple[str | None, str | None, tuple[int, ...], str | None, _Context]


class Ceilings:
    """The bounds of one book."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._known: dict[_Question, Bound] = {}

    def of(
        self,
        provider: str | None,
        model: str | None,
        on: datetime,
        who: Mapping[str, str],
        tier: str | None,
        told: Mapping[str, str],
    ) -> Bound | Unpriced:
        agreed = self._book.agreed(provider, model, who)
        numbers = tuple([c.number for c in agreed])
        question = (provider, model, numbers, tier, tuple(sorted(told.items())) if told else ())
        known = self._known.get(question)
        if known is not None and known.since <= on.timestamp() < known.until:
            return known
        found = self._work_out(question, on, agreed)
        if isinstance(found, Bound):
            if len(self._known) >= MANY:
                self._known.clear()
            self._known[question] = found
        return found

    def forget(self, provider: str | None, model: str | None) -> None:
        for question in [each for each in self._known if each[:2] == (provider, model)]:
            del self._known[question]

    def _work_out(
        self, question: _Question, on: datetime, agreed: tuple[Contract, ...]
    ) -> Bound | Unpriced:
        provider, model, _, tier, told = question
        rows: dict[tuple[_Context, int], tuple[Charge, ...] | Unpriced] = {
            (context, number): self._book.charges((provider, model, context, number))
            for context in self._contexts(provider, model, tier, dict(told))
            for number in (0, *(c.number for c in agreed if c.is_price))
        }
        edges = sorted({*_edges(on, agreed, rows.values())})
        until = _valid_until(on, edges)
        moments = [on, *(edge for edge in edges if on < edge < until + LONGEST_CALL)]
        dear: dict[str, Charge] = {}
        for moment in moments:
            number = next((c.number for c in agreed if c.is_price and c.holds(moment)), 0)
            here = [charges for (_, n), charges in rows.items() if n == number]
            holding = list(_holding(here, moment))
            if not holding and moment is on:
                unpriced = next((each for each in here if isinstance(each, Unpriced)), None)
                return unpriced or Unpriced("no_price_then")
            dear |= {charge.rate.price_id: charge for charge in holding}
        window, most = self._limits(provider, model, on, agreed)
        return dearest.of(
            [charge.rate for charge in dear.values()],
            window=window,
            most=most,
            since=on.timestamp(),
            until=until.timestamp(),
        )

    def _contexts(
        self, provider: str | None, model: str | None, tier: str | None, told: Mapping[str, str]
    ) -> Iterator[_Context]:
        """Every context that a live call may be priced in: what was not told may be anything."""
        choices = self._book.choices(provider, model)
        known = {key: tuple(sorted(values)) for key, values in choices.items()}
        open_to: dict[str, tuple[str | None, ...]] = {
            key: (told.get(key),) if key in told or key in _ON_REQUEST else (None, *values)
            for key, values in known.items()
        }
        if PROCESSING in open_to:
            open_to[PROCESSING] = (None, *(v for v in known[PROCESSING] if v != BATCH))
        if TIER in open_to:
            open_to[TIER] = _tiers(tier, known[TIER])
        for values in product(*open_to.values()):
            yield tuple(
                sorted((k, v) for k, v in zip(open_to, values, strict=True) if v is not None)
            )

    def _limits(
        self,
        provider: str | None,
        model: str | None,
        on: datetime,
        agreed: tuple[Contract, ...],
    ) -> tuple[int | None, int | None]:
        """Context window and most output: the user's own, else those that are known."""
        found = self._book.find(provider, model) if model else None
        own = [c for c in agreed if c.holds(on)]
        window = next((c.context_window for c in own if c.context_window), None)
        most = next((c.max_output for c in own if c.max_output), None)
        if found:
            window = window or found.context_window
            most = most or found.max_output or max_output(found)
        return window, most


def _tiers(asked: str | None, known: tuple[str, ...]) -> tuple[str | None, ...]:
    """The tiers that a call may be billed at that asked for one, or left it to its account."""
    tier = asked.lower() if asked else "auto"
    if tier in _AT_STANDARD:
        return (None, tier)
    if tier not in known:
        return (None, *known)
    return (None, *_defaults(known), tier) if tier in _MAY_FALL_BACK else (tier,)


def _defaults(known: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(tier for tier in known if tier in _AT_STANDARD)


def _holding(rows: list[tuple[Charge, ...] | Unpriced], moment: datetime) -> Iterator[Charge]:
    for charges in rows:
        if not isinstance(charges, Unpriced):
            yield from (charge for charge in charges if charge.holds(moment))


def _valid_until(on: datetime, edges: list[datetime]) -> datetime:
    """Until the next change of price, or until a call could outlast the one after it."""
    ends = [edge for edge in edges if edge > on]
    ends += [edge - LONGEST_CALL for edge in edges if edge > on + LONGEST_CALL]
    return min((*ends, on + HORIZON))


def _edges(
    on: datetime,
    agreed: tuple[Contract, ...],
    rows: Iterable[tuple[Charge, ...] | Unpriced],
) -> Iterator[datetime]:
    """The moments at which a price may change, as far as a call of today can reach."""
    for contract in agreed:
        yield from _within(on, contract.since, contract.until)
    minutes: set[int] = set()
    for charges in rows:
        for charge in () if isinstance(charges, Unpriced) else charges:
            row = charge.rate
            yield from _within(on, row.since, row.until)
            minutes |= {m for m in (row.from_minute, row.to_minute) if m is not None}
            minutes |= {0} if row.weekdays is not None else set()
    today = datetime.combine(on.date(), time(), UTC)
    for day, minute in product((0, 1, 2), minutes):
        yield from _within(on, today + timedelta(days=day, minutes=minute))


def _within(on: datetime, *moments: datetime | None) -> Iterator[datetime]:
    end = on + HORIZON + LONGEST_CALL
    return (moment for moment in moments if moment is not None and on < moment < end)
