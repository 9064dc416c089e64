"""List the plugins that farthing found, and those that it could not load."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Annotated, Any

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
                yield {**row, "title": _title(found.value), "error": None}


def _title(plugin: Any) -> str | None:
    """What it calls itself, else the first line of its file."""
    about = sys.modules[type(plugin).__module__].__doc__ or ""
    return getattr(plugin, "title", None) or about.partition("\n")[0] or None


def _print(rows: list[dict[str, str | None]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("kind", "name", "what it is", box=None, pad_edge=False)
    table.add_column("from", overflow="fold")
    for row in rows:
        about = f"broken: {row['error']}" if row["error"] else row["title"] or ""
        style = "red" if row["error"] else None
        table.add_row(row["kind"], row["name"], escape(about), row["origin"], style=style)
    Console().print(table)
