"""`farthing prices`: what a model or a machine costs."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farthing.cli import reading
from farthing.cli.reading import DryRun, Json, Since, Timezone, Until, Where
from farthing.domain.errors import Refused

if TYPE_CHECKING:
    from farthing.ledger.drift import Drift
    from farthing.prices.show import Shown

app = typer.Typer(name="prices", help="What a model or a machine costs.", no_args_is_help=True)


@app.callback()
def prices() -> None:
    """Look at the prices that calls are charged by."""


@app.command()
def show(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="A model, as logs name it, or a machine: H100.")],
    *,
    provider: Annotated[
        str | None, typer.Option(help="Whose model; else as its name says.")
    ] = None,
    on: Annotated[str | None, typer.Option(help="Only what holds on this day: 2026-10-03.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Every price of a model: list and contract, by unit, date, tier, hour and input size.

    Units are those of genai-prices, per million. The most specific wins: cache_read_tokens are
    part of input_tokens and cost their own price instead.
    """
    rows = listed(reading.folder_of(context), model, provider, _day(on))
    if as_json:
        typer.echo(_json(rows))
    else:
        _print(model, rows)


@app.command()
def rerate(  # noqa: PLR0913  one argument per option
    ctx: typer.Context,
    since: Since = None,
    until: Until = None,
    timezone: Timezone = None,
    where: Where = None,
    dry_run: DryRun = False,  # noqa: FBT002  how typer spells a flag
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Price stored calls and usage pages again, at today's prices and contracts.

    Where the cost is another one, or there was none, the row is reversed and booked anew; a
    second run adds nothing. `report --as-of` still shows what was booked before. A row that
    today's prices do not cover keeps the cost that it has.
    """
    from farthing.ledger.rerate import rerate as run
    from farthing.ledger.workspace import Workspace

    workspace = Workspace.open(reading.folder_of(ctx), create=False)
    selection = reading.selection_of(ctx, since, until, timezone, where)
    done = run(workspace, selection, reading.now, dry_run=dry_run)
    if as_json:
        reading.print_json(
            {
                "rows": done.rows,
                "changed": done.changed,
                "unpriced": done.unpriced,
                "reversed_usd": str(done.reversed),
                "booked_usd": str(done.booked),
                "difference_usd": str(done.difference),
                "seconds": done.seconds,
            }
        )
        return
    verb = "would change" if dry_run else "changed"
    typer.echo(
        f"{done.rows:,} rows priced again, {done.changed:,} {verb}: {done.reversed} USD before, "
        f"{done.booked} USD now, a difference of {done.difference} USD."
    )
    if done.unpriced:
        rows = "1 row has" if done.unpriced == 1 else f"{done.unpriced:,} rows have"
        typer.echo(f"{rows} no price still. `farthing report` names the models.")


@app.command()
def drift(  # noqa: PLR0913  one argument per option
    ctx: typer.Context,
    since: Since = None,
    until: Until = None,
    timezone: Timezone = None,
    where: Where = None,
    against: Annotated[
        str | None,
        typer.Option(help="A day, 2026-11-01, or a file with other [[prices]]; else today's book."),
    ] = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """What other prices make of your own traffic, in dollars, the largest difference first.

    Every call and usage bucket as it was booked, against what the same usage costs by today's
    prices and contracts on its own day: what `prices rerate` would change. With --against DATE
    as if all of it had been on that day; with --against FILE by the contracts of that file, an
    offer say, in place of yours. Nothing is written.
    """
    from farthing.ledger.drift import drift as compare
    from farthing.ledger.workspace import Workspace
    from farthing.prices.book import Book
    from farthing.views import drift as view

    workspace = Workspace.open(reading.folder_of(ctx), create=False)
    selection = reading.selection_of(ctx, since, until, timezone, where)
    on, offer = _other(against)
    found = compare(workspace, selection, Book.load(workspace.root, offer), on)
    if as_json:
        reading.print_json(view.as_json(found))
        return
    typer.echo(view.sentence(found))
    if changed := [each for each in found if each.difference]:
        _print_drift(changed)


def listed(workspace: Path, model: str, provider: str | None, on: date | None) -> list[Shown]:
    """The rows that the command prints; needs neither DuckDB nor Ibis."""
    from farthing.prices.book import Book
    from farthing.prices.catalogue import Catalogue
    from farthing.prices.show import listing

    return listing(Book.load(workspace), Catalogue.load(workspace), model, provider, on)


def _json(rows: list[Shown]) -> str:
    import msgspec

    return json.dumps([msgspec.to_builtins(row) for row in rows], indent=2)


def _print(model: str, rows: list[Shown]) -> None:
    from rich.table import Table

    sources = list(dict.fromkeys(row.source for row in rows))
    one = sources[0] if len(sources) == 1 else None
    table = Table(title=f"{model}: dollars per million", title_justify="left", box=None)
    table.add_column("unit", no_wrap=True)
    table.add_column("usd", justify="right", no_wrap=True)
    for heading in ("from", "until", "when", *([] if one else ["source"])):
        table.add_column(heading)
    for row in rows:
        when = ", ".join(f"{key} {value}" for key, value in (row.context or {}).items())
        told = (row.since or "", row.until or "", when, row.source)
        table.add_row(row.unit, row.usd_per_million, *(told[:3] if one else told))
    console = reading.console()
    console.print(table)
    if one:
        console.print(f"Source: {one}")


def _other(against: str | None) -> tuple[date | None, Path | None]:
    """The day or the file that `--against` names."""
    if against is None:
        return None, None
    try:
        return date.fromisoformat(against), None
    except ValueError:
        if Path(against).is_file():
            return None, Path(against)
    raise Refused(
        f"--against {against} is neither a day nor a file. "
        "Write a day as 2026-11-01, or name a TOML file with [[prices]]."
    )


def _print_drift(found: list[Drift]) -> None:
    from rich.table import Table

    from farthing.views import drift as view
    from farthing.views import figures

    table = Table(box=None)
    for heading in ("provider", "model", "context"):
        table.add_column(heading)
    for heading in ("rows", "booked", "there", "difference", "%"):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in found:
        costs = (figures.dollars(cost) for cost in (each.was, each.now, each.difference))
        of_it = view.percent(each)
        table.add_row(
            each.provider or "-",
            each.model or "-",
            each.context or "",
            f"{each.rows:,}",
            *costs,
            "-" if of_it is None else f"{Decimal(of_it):.1f}",
        )
    reading.console().print(table)


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise Refused(f"--on {text} is not a day. Write it as 2026-10-03.") from error
