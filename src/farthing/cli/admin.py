"""`farthing admin-token`: whether the back office has one, and a new one."""

from __future__ import annotations

from typing import Annotated

import typer

from farthing.cli import changing, reading
from farthing.cli.reading import Json


def admin_token(
    ctx: typer.Context,
    *,
    reset: Annotated[
        bool, typer.Option("--reset", help="Make a new one; the old one ends.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say whether there is an admin token; with --reset make another and print it, this once."""
    from farthing.access import admin

    with changing.state_of(ctx, create=reset) as state:
        token = admin.reset_admin_token(state, changing.me()) if reset else None
        exists = admin.admin_digest(state) is not None
    if as_json:
        reading.print_json({"exists": exists, "admin_token": token})
    elif token is not None:
        typer.echo(token)
        typer.echo("Keep it now: it is not shown again.", err=True)
    elif exists:
        typer.echo("There is one. If it is lost, `farthing admin-token --reset` makes another.")
    else:
        typer.echo("None yet: the first `farthing up` makes and prints it.")
