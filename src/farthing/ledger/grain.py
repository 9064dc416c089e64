"""Each dollar once: which grain of model usage counts where several describe the same dollars.

A gateway row, a usage page and an invoice can tell of the same call. Per provider, account and
UTC day the best of them counts (call, else usage, else invoice); the others are evidence. What
the bill has over the ledger there is *unseen*: billed, but no call tells of it.

A row without an account stands for its provider's only account. Where the provider has several,
such a row may be any of theirs: it is set against all of them, so that no dollar counts twice,
and the provider is reported as ambiguous.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from farthing.domain.call import GRAINS
from farthing.domain.money import Money
from farthing.domain.where import All
from farthing.ledger import queries
from farthing.ledger.queries import Selection
from farthing.ledger.schema import CALLS, CHARGES

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one grain says of one account over a span of UTC days, the last one included."""

    grain: str  # call | usage | invoice
    provider: str | None
    account: str | None
    first: date
    last: date
    cost: Money | None  # None: nothing priced
    asked: bool = True  # whether it begins in the period asked for

    @property
    def days(self) -> list[date]:
        return [self.first + timedelta(n) for n in range((self.last - self.first).days + 1)]


@dataclass(frozen=True, slots=True)
class Gap:
    """What the bill has over the ledger for an account; negative where it has less."""

    provider: str | None
    account: str | None
    cost: Money


@dataclass(frozen=True, slots=True)
class Verdict:
    """What not to count, what was billed without a call, and where accounts are unclear."""

    shadowed: tuple[Evidence, ...] = ()
    gaps: tuple[Gap, ...] = ()
    ambiguous: tuple[str, ...] = ()

    def unseen(self, where: tuple[All, ...] = ()) -> Money:
        """Billed but not seen, per account and never below zero.

        Unseen dollars have a provider and perhaps an account, no model and no scope: a filter
        on those leaves them out.
        """
        return Money.sum(
            max(gap.cost, Money.ZERO) for gap in self.gaps if queries.holds(where, _named(gap))
        )


def settle(connection: DuckDBPyConnection, selection: Selection) -> Verdict:
    """Decide for the selection's period, and note the shadowed spans on the connection.

    Filters play no part: they must not change which grain counts. Costs nothing but a look at
    the charges where none of them describes calls.
    """
    billed = _charges(connection, selection)
    verdict = judge([*billed, *_calls(connection, billed, selection)]) if billed else Verdict()
    _note(connection, verdict.shadowed)
    return verdict


def judge(evidence: Sequence[Evidence]) -> Verdict:
    """The rule itself, on evidence of any extent."""
    by_day: dict[tuple[str | None, date], list[Evidence]] = defaultdict(list)
    for each in evidence:
        for day in each.days:
            by_day[each.provider, day].append(each)
    shadowed = tuple(
        each
        for each in evidence
        if any(_better(other, each) for day in each.days for other in by_day[each.provider, day])
    )
    return Verdict(shadowed, tuple(_gaps(evidence, shadowed, by_day)), _ambiguous(evidence))


def _better(one: Evidence, other: Evidence) -> bool:
    return GRAINS.index(one.grain) < GRAINS.index(other.grain) and _same_account(one, other)


def _same_account(one: Evidence, other: Evidence) -> bool:
    return one.account is None or other.account is None or one.account == other.account


def _gaps(
    evidence: Sequence[Evidence],
    shadowed: tuple[Evidence, ...],
    by_day: dict[tuple[str | None, date], list[Evidence]],
) -> Iterable[Gap]:
    """Bill less ledger, where both tell of the same days, added up per account."""
    gaps: dict[tuple[str | None, str | None], Money] = defaultdict(lambda: Money.ZERO)
    hidden = set(map(id, shadowed))
    for together in _connected(evidence, by_day):
        bill = _bill(together)
        if bill is None or not any(id(each) in hidden and each.asked for each in together):
            continue
        counted = Money.sum(
            each.cost for each in together if id(each) not in hidden and each.cost is not None
        )
        accounts = {each.account for each in together if each.account is not None}
        account = accounts.pop() if len(accounts) == 1 else None
        gaps[together[0].provider, account] += bill - counted
    return [Gap(provider, account, cost) for (provider, account), cost in gaps.items()]


def _bill(together: Sequence[Evidence]) -> Money | None:
    """The invoice where it says an amount, else the usage page."""
    for grain in ("invoice", "usage"):
        costs = [each.cost for each in together if each.grain == grain and each.cost is not None]
        if costs:
            return Money.sum(costs)
    return None


def _connected(
    evidence: Sequence[Evidence], by_day: dict[tuple[str | None, date], list[Evidence]]
) -> Iterable[list[Evidence]]:
    """Evidence that overlaps, directly or through other evidence, in days and account."""
    left = {id(each): each for each in evidence}
    while left:
        _, seed = left.popitem()
        found, waiting = [seed], [seed]
        while waiting:
            each = waiting.pop()
            near = (other for day in each.days for other in by_day[each.provider, day])
            for other in near:
                if id(other) in left and _same_account(each, other):
                    waiting.append(left.pop(id(other)))
                    found.append(other)
        yield found


def _ambiguous(evidence: Sequence[Evidence]) -> tuple[str, ...]:
    accounts: dict[str, set[str | None]] = defaultdict(set)
    for each in evidence:
        if each.provider is not None:
            accounts[each.provider].add(each.account)
    unclear = (
        name for name, found in accounts.items() if None in found and len(found - {None}) > 1
    )
    return tuple(sorted(unclear))


def _named(gap: Gap) -> dict[str, str]:
    return {
        name: value
        for name, value in (("provider", gap.provider), ("account", gap.account))
        if value is not None
    }


def _charges(connection: DuckDBPyConnection, selection: Selection) -> list[Evidence]:
    """What describes calls in the period, and what else overlaps the days that it covers."""
    asked = {_span(each) for each in _spans(connection, replace(selection, where=()))}
    if not asked:
        return []
    everything = _spans(connection, Selection(as_of=selection.as_of))
    return [replace(each, asked=_span(each) in asked) for each in everything]


def _span(evidence: Evidence) -> tuple[object, ...]:
    return (
        evidence.grain,
        evidence.provider,
        evidence.account,
        evidence.first,
        evidence.last,
    )


def _spans(connection: DuckDBPyConnection, selection: Selection) -> list[Evidence]:
    rows = queries.selected(queries.table(CHARGES), selection)
    rows = rows.filter(rows.describes_calls)
    first, last = queries.span(rows)
    keyed = rows.mutate(first=first, last=last)
    grouped = keyed.group_by("grain", "provider", "account", "first", "last").aggregate(
        cost=keyed.effective_usd.sum()
    )
    return [_evidence(*row) for row in queries.fetch(connection, grouped)]


def _calls(
    connection: DuckDBPyConnection, billed: Sequence[Evidence], selection: Selection
) -> list[Evidence]:
    """The days on which a call reached a provider that the charges name."""
    rows = queries.selected(queries.table(CALLS), Selection(as_of=selection.as_of))
    first, last = min(each.first for each in billed), max(each.last for each in billed)
    rows = rows.filter(
        rows.day >= queries.literal_date(first),
        rows.day <= queries.literal_date(last),
        rows.attempt >= 1,
    )
    grouped = rows.group_by("provider", "account", "day").aggregate(cost=rows.effective_usd.sum())
    providers = {each.provider for each in billed}
    return [
        _evidence("call", provider, account, day, day, cost)
        for provider, account, day, cost in queries.fetch(connection, grouped)
        if provider in providers
    ]


def _evidence(
    grain: str,
    provider: str | None,
    account: str | None,
    first: date,
    last: date,
    cost: Decimal | None,
) -> Evidence:
    return Evidence(grain, provider, account, first, last, None if cost is None else Money.of(cost))


def _note(connection: DuckDBPyConnection, shadowed: Iterable[Evidence]) -> None:
    """A table of spans that `queries.charges(shadowed=True)` leaves out."""
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {queries.SHADOWED} "
        "(provider VARCHAR, account VARCHAR, first DATE, last DATE, grain VARCHAR)"
    )
    spans = [[each.provider, each.account, each.first, each.last, each.grain] for each in shadowed]
    if spans:
        connection.executemany(f"INSERT INTO {queries.SHADOWED} VALUES (?, ?, ?, ?, ?)", spans)
