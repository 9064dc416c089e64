"""`farthing`: one file per group of commands, registered here; errors end here."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from farthing.cli import (
    allocate,
    calls,
    compact,
    demo,
    doctor,
    export,
    imports,
    plugins,
    prices,
    reconcile,
    report,
)
from farthing.domain.errors import Defect, FarthingError

app = typer.Typer(
    name="farthing",
    help="Know, control and cut what AI costs.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help is there in half the time
    pretty_exceptions_enable=False,
)


@app.callback()
def farthing(
    context: typer.Context,
    workspace: Annotated[
        Path,
        typer.Option(envvar="FARTHING_WORKSPACE", help="The folder that holds the ledger."),
    ] = Path(".farthing"),
) -> None:
    """Know, control and cut what AI costs."""
    context.obj = workspace


app.command("import")(imports.import_)
app.command()(report.report)
app.command()(calls.calls)
app.command()(reconcile.reconcile)
app.add_typer(export.app, name="export")
app.add_typer(prices.app)
app.command()(allocate.allocate)
app.command()(compact.compact)
app.command()(demo.demo)
app.command()(plugins.plugins)
app.command()(doctor.doctor)


def main() -> None:
    """Run one command and end with its exit code.

    0 done, 1 done with findings, 2 refused, 3 unavailable, 4 a defect.
    """
    try:
        app()
    except FarthingError as error:
        typer.echo(f"farthing: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of our output left, as `head` does; there is nobody to tell.
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        if "FARTHING_DEBUG" in os.environ:
            raise
        typer.echo(
            f"farthing: a defect in farthing: {type(error).__name__}: {error}\n"
            "Please report it. FARTHING_DEBUG=1 shows where it happened.",
            err=True,
        )
        sys.exit(Defect.exit_code)


if __name__ == "__main__":
    main()
