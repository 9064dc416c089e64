"""`farthing calls`: the ledger's rows, one by one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farthing.cli import reading
from farthing.cli.reading import Since, Timezone, Until, Where

if TYPE_CHECKING:
    from farthing.ledger.queries import Selection

LATEST = 50


def calls(  # noqa: PLR0913  one argument per option
    ctx: typer.Context,
    *,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Stream every row as a line of JSON.")
    ] = False,
    where: Where = None,
    since: Since = None,
    until: Until = None,
    timezone: Timezone = None,
    limit: Annotated[int | None, typer.Option(min=0, help="At most this many rows.")] = None,
) -> None:
    """Show single rows: calls, their attempts and corrections, and charges.

    Without --jsonl, the latest 50 as a table.
    """
    from farthing.domain.where import parse_any
    from farthing.ledger.queries import Selection

    zone = reading.zone_of(timezone, reading.settings_of(ctx))
    period = reading.period_of(since, until, zone, reading.now())
    selection = Selection(period, parse_any(where or ()))
    if jsonl:
        _stream(ctx, selection, limit)
    else:
        _print_table(ctx, selection, LATEST if limit is None else limit)


def _stream(ctx: typer.Context, selection: Selection, limit: int | None) -> None:
    from farthing.views import calls as view

    with reading.ledger_of(ctx) as ledger:
        for fact in view.facts(ledger, selection, limit):
            sys.stdout.buffer.write(view.line(fact))
    sys.stdout.flush()


def _print_table(ctx: typer.Context, selection: Selection, limit: int) -> None:
    from rich import box
    from rich.table import Table

    from farthing.views import calls as view

    with reading.ledger_of(ctx) as ledger:
        facts = view.latest(ledger, selection, limit)
    console = reading.console()
    if not facts:
        console.print("No row matches. Bring in what you have with `farthing import FILE`.")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("time (UTC)", "provider", "model", "team", "status"):
        table.add_column(title)
    for title in ("input", "output", "cost"):
        table.add_column(title, justify="right", no_wrap=True)
    for fact in facts:
        table.add_row(*_cells(fact))
    console.print(table)


def _cells(fact: dict[str, Any]) -> list[str]:
    from farthing.domain.money import Money
    from farthing.domain.usage import Usage
    from farthing.views import figures

    usage, cost = Usage(**fact["usage"]), fact["effective_usd"]
    return [
        fact["time"].replace("T", " ").rstrip("Z"),
        figures.printable(fact["provider"] or ""),
        figures.printable(fact["model"] or ""),
        figures.printable(fact["scope"]["team"] or "unallocated"),
        fact["status"] or fact["grain"],
        figures.count(usage.input_tokens),
        figures.count(usage.output_tokens),
        "unpriced" if cost is None else figures.dollars(Money.of(cost)),
    ]
