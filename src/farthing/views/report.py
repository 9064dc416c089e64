"""Where the money went: groups, shares, change, unit costs, and what is not known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from farthing.config import Settings
from farthing.domain.errors import Refused
from farthing.domain.money import Money
from farthing.domain.period import Period
from farthing.domain.scope import SCOPE
from farthing.domain.where import All
from farthing.ledger import grain, queries
from farthing.ledger.queries import TIMES, Selection
from farthing.ledger.shares import Sharing
from farthing.ledger.spend import Key, Spending, Sums
from farthing.views import figures

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

DEFAULT_BY = ("team", "model")


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked. `now` stands in for an open end when a period is compared.

    `daily` also asks for each group's series by day.
    """

    by: tuple[str, ...]
    zone: ZoneInfo
    now: datetime
    period: Period = field(default_factory=Period)
    where: tuple[All, ...] = ()
    as_of: datetime | None = None
    limit: int | None = None
    daily: bool = False

    def __post_init__(self) -> None:
        names = [name.removeprefix("tag.").removeprefix("tags.") for name in self.by]
        if not names or len(set(self.by)) < len(names) or not all(names):
            raise Refused("--by takes one or more different dimensions, such as team,model.")

    @property
    def selection(self) -> Selection:
        return Selection(self.period, self.where, self.as_of)

    @property
    def before(self) -> Selection | None:
        """The stretch of equal length before, where the period has a start."""
        before = Period(self.period.since, self.period.until or self.now).before()
        return None if before is None else Selection(before, self.where, self.as_of)


@dataclass(frozen=True, slots=True)
class Group:
    """One row of the report. `previous` is None where nothing is compared."""

    key: Key
    sums: Sums
    previous: Money | None = None
    daily: tuple[Money, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a report shows. Groups sum to the total; unseen dollars are beside it."""

    request: Request
    groups: tuple[Group, ...]
    total: Group
    unallocated: Money
    unseen: Money
    unpriced: dict[tuple[str | None, str | None], int]
    unconverted: dict[str, Decimal]
    covered: dict[str, Money]
    ambiguous: tuple[str, ...]
    splits: bool
    days: tuple[date, ...] = ()
    gone: dict[Key, Money] = field(default_factory=dict)  # groups of the period before only

    @property
    def shown(self) -> tuple[Group, ...]:
        return self.groups[: self.request.limit]

    @property
    def folded(self) -> Group | None:
        """What `limit` cut off, as one row."""
        rest = self.groups[len(self.shown) :]
        if not rest:
            return None
        before = None
        if rest[0].previous is not None:
            before = Money.sum(group.previous or Money.ZERO for group in rest)
        return Group((None,) * len(self.request.by), _sum(group.sums for group in rest), before)


def report(connection: DuckDBPyConnection, request: Request, settings: Settings) -> Report:
    """Answer from a connection to the ledger; nothing is written."""
    spending = Spending(connection, request.zone, Sharing.read(settings.splits))
    previous = _before(connection, spending, request)
    selection = request.selection
    verdict = grain.settle(connection, selection)
    sums, series, days = _sums(spending, request)
    total = _total(sums.values(), previous, _by_day(series.values()))
    calls, fallbacks = spending.fallbacks(selection, request.by)
    total.sums.calls += calls
    for key, more in fallbacks.items():
        sums[key].calls += more
    groups = [
        Group(key, each, _then(previous, key, request.by), tuple(series.get(key, ())))
        for key, each in sums.items()
        if each != Sums()
    ]
    return Report(
        request,
        tuple(sorted(groups, key=_order(request.by))),
        total,
        _unallocated(spending, request, groups),
        verdict.unseen(request.where),
        spending.unpriced(selection) if total.sums.unpriced else {},
        spending.unconverted(selection),
        spending.covered(selection, settings.required_tags),
        verdict.ambiguous,
        splits=bool(settings.splits),
        days=days,
        gone={key: each.cost for key, each in (previous or {}).items() if key and key not in sums},
    )


def as_json(report: Report) -> dict[str, Any]:
    """The contract's keys first, in order; more may follow. Money is a decimal string."""
    request, total = report.request, report.total
    found: dict[str, Any] = {
        "currency": "USD",
        "timezone": str(request.zone),
        "since": figures.moment(request.period.since),
        "until": figures.moment(request.period.until),
        "total_usd": str(total.sums.cost),
        "groups": list(rows(report)),
        "unallocated_usd": str(report.unallocated),
        "unseen_usd": str(report.unseen),
        "calls": total.sums.calls,
        "input_tokens": total.sums.input_tokens,
        "output_tokens": total.sums.output_tokens,
        "previous_total_usd": _text(total.previous),
        "unpriced_calls": total.sums.unpriced,
        "unpriced": [
            {"provider": provider, "model": model, "calls": rows}
            for (provider, model), rows in report.unpriced.items()
        ],
        "unconverted": [
            {"currency": currency, "amount": f"{amount.normalize():f}"}
            for currency, amount in report.unconverted.items()
        ],
        "required_tags": [
            {"tag": tag, "covered_usd": str(cost), "share": figures.share(cost, total.sums.cost)}
            for tag, cost in report.covered.items()
        ],
        "ambiguous_accounts": list(report.ambiguous),
    }
    if report.folded is not None:
        hidden = len(report.groups) - len(report.shown)
        found["other"] = {"groups": hidden, **_figures(report, report.folded)}
    return found


def rows(report: Report) -> Iterable[dict[str, Any]]:
    """The groups as flat rows, for JSON and CSV."""
    for group in report.shown:
        yield {**dict(zip(report.request.by, group.key, strict=True)), **_figures(report, group)}


def columns(report: Report) -> list[str]:
    """The names of a row's values, in order."""
    return [*report.request.by, *_figures(report, report.total)]


def notes(report: Report) -> list[str]:
    """What the figures leave out or cannot know, each with the way to mend it."""
    said = []
    if report.unseen:
        said.append(
            f"{figures.dollars(report.unseen)} more was billed than any call tells of; it is not "
            "in the total. See `farthing reconcile`."
        )
    said += [*_unpriced(report), *_misspelt(report)]
    for currency, amount in report.unconverted.items():
        said.append(
            f"{amount.normalize():,f} {currency} has no rate and is not in the total. Name a file "
            'of rates in farthing.toml: currency_rates = "rates.csv".'
        )
    for tag, cost in report.covered.items():
        part = figures.percent(cost, report.total.sums.cost)
        if cost != report.total.sums.cost:
            said.append(f"{part} of the cost has the required tag {tag}.")
    for provider in report.ambiguous:
        said.append(
            f"{provider} has several accounts and rows that name none. Import them with "
            "--account, or their gap to the bill stays unclear."
        )
    return said


def _misspelt(report: Report) -> list[str]:
    """A name that is no dimension is a tag; one that no row has may be a slip."""
    names = [
        name
        for index, name in enumerate(report.request.by)
        if queries.is_tag(name) and all(group.key[index] is None for group in report.groups)
    ]
    if not report.groups:
        filters = (condition for every in report.request.where for condition in every)
        names = [each.field for each in filters if queries.is_tag(each.field)]
    return [
        f"Nothing here has a tag {name!r}; `farthing report --help` lists the other dimensions."
        for name in dict.fromkeys(names)
    ]


def _unpriced(report: Report) -> list[str]:
    if not report.unpriced:
        return []
    names = [f"{provider or '?'}/{model or '?'}" for provider, model in report.unpriced]
    few = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")  # noqa: PLR2004
    count = report.total.sums.unpriced
    calls = "1 call has no price and is" if count == 1 else f"{count:,} calls have no price and are"
    return [
        f"{calls} not in the total ({few}). "
        "Add a [[prices]] entry to farthing.toml, then run `farthing prices rerate`."
    ]


def sentence(report: Report) -> str:
    """What a finance person wants to hear first. Silent about what is not known."""
    total = report.total
    if not report.groups:
        return "Nothing was spent here. Bring in what you have with `farthing import FILE`."
    said = f"{figures.dollars(total.sums.cost)} {_when(report.request)}"
    if total.previous:
        said += f", {_direction(total.sums.cost, total.previous)} the period before"
        return f"{said}{_mover(report)}."
    largest = max(report.groups, key=lambda group: group.sums.cost)
    part = figures.percent(largest.sums.cost, total.sums.cost)
    if len(report.groups) == 1 or not total.sums.cost:
        return f"{said}."
    whose = "for " if any(largest.key) else ""
    return f"{said}, {part} of it {whose}{name(largest.key)}."


def name(key: Key) -> str:
    """A group in words: its values, `unallocated` where it has none."""
    said = [figures.printable(value) for value in key if value is not None]
    return " · ".join(said) if said else "unallocated"


def _sums(
    spending: Spending, request: Request
) -> tuple[dict[Key, Sums], dict[Key, list[Money]], tuple[date, ...]]:
    """The groups' sums, and with `daily` their series over the same days."""
    if not request.daily:
        return spending.by(request.selection, request.by), {}, ()
    split = spending.by(request.selection, (*request.by, "day"))
    days = _days([key[-1] for key in split])
    place = {day.isoformat(): index for index, day in enumerate(days)}
    sums: dict[Key, Sums] = {}
    series: dict[Key, list[Money]] = {}
    for key, part in split.items():
        sums.setdefault(key[:-1], Sums()).add(part)
        line = series.setdefault(key[:-1], [Money.ZERO] * len(days))
        line[place[str(key[-1])]] += part.cost
    return sums, series, days


def _days(labels: Iterable[str | None]) -> tuple[date, ...]:
    found = sorted({date.fromisoformat(label) for label in labels if label})
    if not found:
        return ()
    return tuple(found[0] + timedelta(n) for n in range((found[-1] - found[0]).days + 1))


def _before(
    connection: DuckDBPyConnection, spending: Spending, request: Request
) -> dict[Key, Sums] | None:
    """The same groups a period earlier. Groups by time have no earlier self: only their total."""
    if request.before is None:
        return None
    grain.settle(connection, request.before)
    if set(request.by) & set(TIMES):
        return spending.by(request.before, ())
    return spending.by(request.before, request.by)


def _then(previous: dict[Key, Sums] | None, key: Key, by: Sequence[str]) -> Money | None:
    if previous is None or set(by) & set(TIMES):
        return None
    return previous.get(key, Sums()).cost


def _total(
    sums: Iterable[Sums], previous: dict[Key, Sums] | None, daily: tuple[Money, ...]
) -> Group:
    before = None if previous is None else _sum(previous.values()).cost
    return Group((), _sum(sums), before, daily)


def _by_day(series: Iterable[Sequence[Money]]) -> tuple[Money, ...]:
    return tuple(map(Money.sum, zip(*series, strict=True)))


def _sum(sums: Iterable[Sums]) -> Sums:
    total = Sums()
    for each in sums:
        total.add(each)
    return total


def _order(by: Sequence[str]) -> Callable[[Group], Any]:
    """By time where time comes first, else the dearest first; what has no value comes last."""

    def place(group: Group) -> Any:
        names = [(value is None, value or "") for value in group.key]
        return names if by[0] in TIMES else (-group.sums.cost.pico, names)

    return place


def _unallocated(spending: Spending, request: Request, groups: Sequence[Group]) -> Money:
    """The cost that none of the scope dimensions asked for names; without one, what has no team."""
    scopes = [index for index, each in enumerate(request.by) if each in SCOPE]
    if scopes:
        return Money.sum(
            group.sums.cost for group in groups if all(group.key[i] is None for i in scopes)
        )
    return spending.by(request.selection, ("team",)).get((None,), Sums()).cost


def _figures(report: Report, group: Group) -> dict[str, Any]:
    sums = group.sums
    tokens = sums.input_tokens + sums.output_tokens
    found = {
        "calls": sums.calls,
        "input_tokens": sums.input_tokens,
        "output_tokens": sums.output_tokens,
        "cost_usd": str(sums.cost),
        "share": figures.share(sums.cost, report.total.sums.cost),
        "unpriced_calls": sums.unpriced,
        "usd_per_call": _text(figures.per(sums.cost, sums.calls)),
        "usd_per_million_tokens": _text(figures.per_million(sums.cost, tokens)),
    }
    if group.previous is not None:
        found["previous_usd"] = str(group.previous)
    if report.splits:
        found["shared_usd"] = str(sums.shared)
    return found


def _text(amount: Money | None) -> str | None:
    return None if amount is None else str(amount)


def _when(request: Request) -> str:
    since, until = (
        None if time is None else time.astimezone(request.zone)
        for time in (request.period.since, request.period.until)
    )
    if since is None and until is None:
        return "in all"
    if since is None:
        return f"until {until:%Y-%m-%d}"
    if until is None:
        return f"since {since:%Y-%m-%d}"
    return f"from {since:%Y-%m-%d} until {until:%Y-%m-%d}"


def _direction(now: Money, before: Money) -> str:
    moved = figures.percent(now - before, before).lstrip("-")
    if moved in {"0%", "<0.1%"}:
        return "the same as in"
    return f"{'up' if now > before else 'down'} {moved} on"


def _mover(report: Report) -> str:
    """Whose cost changed most against the period before."""
    changes = {
        **{
            each.key: each.sums.cost - each.previous
            for each in report.groups
            if each.previous is not None
        },
        **{key: -cost for key, cost in report.gone.items()},
    }
    if len(changes) < 2:  # noqa: PLR2004  one group is the total
        return ""
    key, moved = max(changes.items(), key=lambda item: abs(item[1].pico))
    if not moved:
        return ""
    verb = "rose" if moved > Money.ZERO else "fell"
    size = moved if moved > Money.ZERO else -moved
    return f"; {name(key)} {verb} most, by {figures.dollars(size)}"
