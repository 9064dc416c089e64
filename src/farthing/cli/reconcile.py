"""`farthing reconcile`: does the bill agree with the ledger?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from farthing.cli import reading
from farthing.cli.reading import Json, Timezone

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from rich.table import Table

    from farthing.domain.money import Money
    from farthing.domain.period import Period
    from farthing.ledger.reconcile import Reconciliation, Row


def reconcile(  # noqa: PLR0913  one argument per option
    ctx: typer.Context,
    *,
    provider: Annotated[str, typer.Option(help="Whose bill, such as openai.")],
    month: Annotated[str, typer.Option(help="Which month, such as 2026-10.")],
    account: Annotated[str | None, typer.Option(help="One account of the provider.")] = None,
    timezone: Timezone = None,
    every: Annotated[bool, typer.Option("--all", help="Show the rows that agree, too.")] = False,
    book: Annotated[
        bool,
        typer.Option("--book", help="Correct recovered calls so that their day agrees."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare calls, usage pages and invoice lines per day, model and project.

    The difference is the invoice (else the usage page) less the ledger. Nothing is written,
    unless --book spreads it over calls that were booked at an estimate. Ends with 1 where they
    differ by more than rounding.
    """
    from farthing.domain.period import month as month_of
    from farthing.ledger.reconcile import reconcile as compare
    from farthing.views import reconcile as view

    zone = reading.zone_of(timezone, reading.settings_of(ctx))
    if book:
        _book(ctx, provider, month_of(month, zone), zone, account)
    with reading.ledger_of(ctx) as ledger:
        found = compare(ledger, provider, month_of(month, zone), zone, account)
    for note in found.notes:
        typer.echo(note, err=True)
    if as_json:
        reading.print_json(view.as_json(found))
    else:
        _print_text(found, view.sentence(found), every=every)
    if any(row.differs for row in found.rows):
        raise typer.Exit(1)


def _book(
    ctx: typer.Context, provider: str, period: Period, zone: ZoneInfo, account: str | None
) -> None:
    from farthing.ledger import engine, recovered
    from farthing.ledger.reconcile import reconcile as compare
    from farthing.ledger.workspace import Workspace
    from farthing.views import figures

    workspace = Workspace.open(reading.folder_of(ctx), create=False)
    with workspace.lock(), engine.connect(workspace) as ledger:
        found = compare(ledger, provider, period, zone, account)
        done = recovered.book(workspace, ledger, found, period, zone, reading.now())
    typer.echo(
        f"{done.rows:,} recovered calls booked anew, {figures.dollars(done.difference)} in all.",
        err=True,
    )


def _print_text(found: Reconciliation, sentence: str, *, every: bool) -> None:
    console = reading.console()
    console.print(sentence, soft_wrap=True, markup=False)
    rows = [row for row in found.rows if every or row.reason is not None]
    if rows:
        console.print(_table(rows))
    if len(rows) < len(found.rows):
        console.print(f"{len(found.rows) - len(rows)} rows agree; --all shows them.")


def _table(rows: Sequence[Row]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("day", "model", "project"):
        table.add_column(title)
    for title in ("ledger", "usage", "invoice", "difference"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("likely reason")
    for row in rows:
        amounts = (row.ledger, row.usage, row.invoice, row.difference)
        table.add_row(
            row.day.isoformat(),
            row.model or "-",
            row.project or "-",
            *map(_dollars, amounts),
            row.reason or "",
            style="red" if row.differs else "",
        )
    return table


def _dollars(amount: Money | None) -> str:
    from farthing.views import figures

    return "-" if amount is None else figures.dollars(amount)
