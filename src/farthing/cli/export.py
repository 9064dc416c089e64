"""`farthing export`: the ledger in others' formats."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from farthing.cli import reading
from farthing.cli.reading import Json, Since, Timezone, Until, Where

app = typer.Typer(help="Write the ledger in others' formats.", no_args_is_help=True)


@app.command()
def focus(  # noqa: PLR0913  one argument per option
    ctx: typer.Context,
    *,
    out: Annotated[Path, typer.Option(help="The file to write, .csv or .parquet.")],
    version: Annotated[str, typer.Option(help="FOCUS 1.2 or 1.4.")] = "1.4",
    since: Since = None,
    until: Until = None,
    timezone: Timezone = None,
    where: Where = None,
    as_json: Json = False,
) -> None:
    """Write FOCUS at token grain: one line per hour, scope, model and kind of token.

    The costs sum to those of `farthing report`, to the last digit. Calls without a price are
    left out, and it is said how many.
    """
    from farthing.domain.where import parse_any
    from farthing.ledger import focus as export
    from farthing.ledger import schema, table
    from farthing.ledger.queries import Selection
    from farthing.ledger.workspace import Workspace
    from farthing.views import figures

    zone = reading.zone_of(timezone, reading.settings_of(ctx))
    period = reading.period_of(since, until, zone, reading.now())
    selection = Selection(period, parse_any(where or ()))
    workspace = Workspace.open(reading.folder_of(ctx), create=False)
    with reading.ledger_of(ctx) as ledger:
        prices = export.prices_of(ledger, table.files(workspace, schema.PRICES))
        written = export.export(ledger, selection, version, out, prices)
    if as_json:
        reading.print_json(
            {
                "file": str(out),
                "version": version,
                "rows": written.rows,
                "cost_usd": str(written.cost),
                "left_out": written.left_out,
            }
        )
        return
    typer.echo(f"{written.rows:,} lines, {figures.dollars(written.cost)}, in {out}.")
    if written.left_out:
        typer.echo(f"{written.left_out:,} rows have no price and are left out.", err=True)
