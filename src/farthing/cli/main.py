"""`farthing`: one file per group of commands, registered here; errors end here."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from typer._click.exceptions import ClickException  # BadParameter's family has no public name

from farthing.cli import (
    admin,
    allocate,
    budgets,
    cache,
    calls,
    compact,
    configuration,
    demo,
    doctor,
    export,
    imports,
    init,
    keys,
    plugins,
    policies,
    prices,
    reconcile,
    report,
    up,
)
from farthing.domain.errors import Defect, FarthingError, Unavailable

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
app.add_typer(keys.app)
app.add_typer(budgets.app)
app.add_typer(policies.app)
app.add_typer(cache.app)
app.command()(init.init)
app.add_typer(configuration.app)
app.command()(admin.admin_token)
app.command()(compact.compact)
app.command()(demo.demo)
app.command()(plugins.plugins)
app.command()(doctor.doctor)
app.command()(up.up)


def main() -> None:
    """Run one command and end with its exit code.

    0 done, 1 done with findings, 2 refused, 3 unavailable, 4 a defect.
    """
    if sys.stdout is None:  # closed by the caller: `farthing … >&-`
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  until the end
    try:
        code = typer.main.get_command(app).main(standalone_mode=False)
        sys.stdout.flush()
    except SystemExit as ended:
        # Typer ends with 1 where the reader of the output left; for us 1 means findings.
        if isinstance(ended.__context__, BrokenPipeError):
            _end(ended.__context__)
        raise
    except Exception as error:  # noqa: BLE001  nothing may end as a traceback
        _end(error)
    sys.exit(code if isinstance(code, int) else 0)


def _end(error: Exception) -> NoReturn:
    """Say what went wrong in a line, and end with the code that belongs to it."""
    if isinstance(error, BrokenPipeError):
        # The reader of our output left, as `head` does; there is nobody to tell.
        _forget_output()
        sys.exit(0)
    if isinstance(error, ClickException):
        error.show()
        sys.exit(error.exit_code)
    if "FARTHING_DEBUG" in os.environ:
        raise error
    if isinstance(error, OSError):
        _forget_output()
        error = _of_the_world(error)
    if isinstance(error, FarthingError):
        typer.echo(f"farthing: {error}", err=True)
        sys.exit(error.exit_code)
    first = (str(error).splitlines() or [""])[0]
    typer.echo(
        f"farthing: a defect in farthing: {type(error).__name__}: {first}\n"
        "Please report it. FARTHING_DEBUG=1 shows where it happened.",
        err=True,
    )
    sys.exit(Defect.exit_code)


def _of_the_world(error: OSError) -> Unavailable:
    where = error.filename or "The output"
    return Unavailable(
        f"{where}: {error.strerror or error}. Check the disk and your rights there, then run the "
        "command again."
    )


def _forget_output() -> None:
    """What is still buffered cannot be written; Python would try again, and complain, at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())


if __name__ == "__main__":
    main()
