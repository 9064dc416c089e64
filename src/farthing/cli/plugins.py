"""List the plugins that farthing found, and those that it could not load."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated

import typer

from farthing.registry import KINDS, Broken, find


def plugins(
    *, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """List every plugin by kind, where it comes from, and what is wrong with it if anything is.

    Ends with 1 if one is broken. To add one, see CONTRIBUTING.md.
    """
    rows = list(listing())
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        _print(rows)
    raise typer.Exit(int(any(row["error"] for row in rows)))


def listing() -> Iterator[dict[str, str | None]]:
    """One row a plugin: kind, name, title, origin, error."""
    for kind in KINDS:
        for found in find(kind):
            row = {"kind": kind.name, "name": found.name, "title": None, "origin": found.origin}
            if isinstance(found, Broken):
                yield {**row, "error": found.reason}
            else:
                yield {**row, "title": getattr(found.value, "title", None), "error": None}


def _print(rows: list[dict[str, str | None]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("kind", "name", "what it is", "from", box=None, pad_edge=False)
    for row in rows:
        about = f"broken: {row['error']}" if row["error"] else row["title"] or ""
        style = "red" if row["error"] else None
        table.add_row(row["kind"], row["name"], escape(about), row["origin"], style=style)
    Console().print(table)
