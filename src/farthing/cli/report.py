"""`farthing report`: where the money went."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from farthing.cli import reading
from farthing.cli.reading import Json, Since, Timezone, Until, Where

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from farthing.views.report import Group, Report


def report(  # noqa: PLR0913  one argument per option
    ctx: typer.Context,
    *,
    by: Annotated[
        str,
        typer.Option(
            help="Dimensions: team, project, feature, customer, environment, cost_center, key, "
            "model, provider, account, source, grain, status, service, region, resource, session, "
            "hour, day, week, month, or any tag."
        ),
    ] = "team,model",
    since: Since = None,
    until: Until = None,
    timezone: Timezone = None,
    where: Where = None,
    as_of: Annotated[
        str | None, typer.Option(help="As it was booked at this time: an issued statement again.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Show this many groups, the rest as one row.")
    ] = None,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Show what was spent, on what and by whom.

    The total is the sum of the groups, with what has no owner as a row of its own. What the
    providers billed without a call in the ledger is shown beside it as unseen.
    """
    from farthing.domain.period import moment
    from farthing.domain.where import parse_any
    from farthing.views import report as view

    settings, now = reading.settings_of(ctx), reading.now()
    zone = reading.zone_of(timezone, settings)
    request = view.Request(
        by=tuple(name.strip() for name in by.split(",")),
        zone=zone,
        now=now,
        period=reading.period_of(since, until, zone, now),
        where=parse_any(where or ()),
        as_of=None if as_of is None else moment(as_of, now, zone),
        limit=limit,
        daily=not (as_json or as_csv),
    )
    with reading.ledger_of(ctx) as ledger:
        found = view.report(ledger, request, settings)
    if as_json:
        reading.print_json(view.as_json(found))
    elif as_csv:
        _print_csv(found)
    else:
        _print_text(found)


def _print_csv(report: Report) -> None:
    from farthing.views.report import columns, rows

    writer = csv.DictWriter(sys.stdout, columns(report), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(report))


def _print_text(report: Report) -> None:
    from farthing.views.report import notes, sentence

    console = reading.console()
    console.print(sentence(report), soft_wrap=True, markup=False)
    if report.groups:
        console.print(_fitting(report, console))
    for note in notes(report):
        console.print(note, style="yellow", soft_wrap=True, markup=False)


# What a narrow window does without, first to last; names, cost and share stay.
_EXPENDABLE = ("$/call", "$/Mtok", "tokens", "by day", "calls")


def _fitting(report: Report, console: Console) -> Table:
    """The table with as many columns as the window has room for, none of them cut."""
    from rich.measure import Measurement

    endless = console.options.update(max_width=10_000)
    for count in range(len(_EXPENDABLE)):
        table = _table(report, _EXPENDABLE[:count])
        if Measurement.get(console, endless, table).maximum <= console.width:
            return table
    return _table(report, _EXPENDABLE)


def _table(report: Report, without: Sequence[str]) -> Table:
    from rich import box
    from rich.table import Table

    compared = report.total.previous is not None
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in report.request.by:
        table.add_column(name)
    titles = [title for title in _titles(compared=compared) if title not in without]
    for title in titles:
        table.add_column(title, justify="left" if title == "by day" else "right", no_wrap=True)
    for group in report.shown:
        unknown = all(value is None for value in group.key)
        table.add_row(
            *_names(report, group),
            *_figures(report, group, titles),
            style="bright_black" if unknown else "",
        )
    _add_rest(table, report, titles)
    return table


def _add_rest(table: Table, report: Report, titles: Sequence[str]) -> None:
    from farthing.views import figures

    blank = [""] * (len(report.request.by) - 1)
    if report.folded is not None:
        hidden = f"other ({len(report.groups) - len(report.shown)} groups)"
        rest = _figures(report, report.folded, titles)
        table.add_row(hidden, *blank, *rest, style="bright_black")
    # Always there, so that its absence is never mistaken for nothing being unallocated.
    if not any(all(value is None for value in group.key) for group in report.shown):
        part = figures.percent(report.unallocated, report.total.sums.cost)
        amount = figures.dollars(report.unallocated)
        label = "of which unallocated" if report.unallocated else "unallocated"
        table.add_row(label, *blank, amount, part, style="bright_black")
    table.add_section()
    table.add_row("total", *blank, *_figures(report, report.total, titles), style="bold")


def _titles(*, compared: bool) -> list[str]:
    change = ["change"] if compared else []
    return ["cost", "share", *change, "by day", "calls", "tokens", "$/call", "$/Mtok"]


def _names(report: Report, group: Group) -> list[str]:
    from farthing.views import figures

    if all(value is None for value in group.key):
        return ["unallocated", *[""] * (len(group.key) - 1)]
    names = zip(report.request.by, group.key, strict=True)
    return [f"(no {by})" if value is None else figures.printable(value) for by, value in names]


def _figures(report: Report, group: Group, titles: Sequence[str]) -> list[str]:
    from farthing.views import figures

    sums = group.sums
    tokens = sums.input_tokens + sums.output_tokens
    call, million = figures.per(sums.cost, sums.calls), figures.per_million(sums.cost, tokens)
    cost = figures.dollars(sums.cost)
    if sums.unpriced:
        # Some of it has no price: what is known is a floor, and a mean of it would be too low.
        cost, call, million = f"≥ {cost}" if sums.cost else "no price", None, None
    told = {
        "cost": cost,
        "share": "" if cost == "no price" else figures.percent(sums.cost, report.total.sums.cost),
        "change": figures.change(sums.cost, group.previous),
        "by day": figures.sparkline(figures.condensed(group.daily)),
        "calls": figures.count(sums.calls) if sums.calls else "",
        "tokens": figures.count(tokens) if tokens else "",
        "$/call": "" if call is None else figures.dollars(call),
        "$/Mtok": "" if million is None else figures.dollars(million),
    }
    return [told[title] for title in titles]
