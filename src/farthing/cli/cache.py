"""`farthing cache`: what is kept of earlier answers, and forgetting it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farthing.cli import changing, reading
from farthing.cli.reading import DryRun, Json

if TYPE_CHECKING:
    from pathlib import Path

    from farthing.gateway.purges import Purge
    from farthing.ledger.state import State

app = typer.Typer(name="cache", help="Answers that are kept.", no_args_is_help=True)


@app.command()
def show(ctx: typer.Context, *, as_json: Json = False) -> None:
    """What is kept in memory and on disk for each tenant, and what that saved.

    Hits and dollars are counted since the workspace began. What a running gateway has in memory
    is as it was some seconds ago; with none running there is nothing in memory.
    """
    from farthing.views.answers import by_tenant, kept

    root = reading.folder_of(ctx)
    with changing.state_of(ctx, create=False) as state, _gateway_kept_out(root) as alone:
        rows = by_tenant(kept(root, state, running=not alone))
    if as_json:
        reading.print_json([row.shown() for row in rows])
        return
    if not rows:
        typer.echo("No answers are kept. docs/policy.md, [cache], says which would be.")
        return
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("tenant")
    for title in ("in memory", "kB", "on disk", "kB", "hits", "saved"):
        table.add_column(title, justify="right")
    for row in rows:
        counts = (row.memory_entries, row.memory_bytes // 1000, row.disk_entries)
        more = (row.disk_bytes // 1000, row.hits)
        cells = [f"{number:,}" for number in (*counts, *more)]
        table.add_row(row.tenant, *cells, row.dollars)
    reading.console().print(table)


@app.command()
def purge(  # noqa: PLR0913  one argument per option
    ctx: typer.Context,
    *,
    tenant: Annotated[str | None, typer.Option(help="Its answers, its customers' too.")] = None,
    team: Annotated[str | None, typer.Option(help="What calls of this team brought.")] = None,
    customer: Annotated[str | None, typer.Option(help="What this customer's calls did.")] = None,
    model: Annotated[
        str | None, typer.Option(help="A glob of the model, as asked or as served.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every answer there is.")] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Forget answers, in memory, on disk and of idempotency keys; several options mean all of them.

    A running gateway has forgotten within a second, and an answer that was on its way is not
    kept. The audit says who purged what.
    """
    from farthing.domain.errors import Refused
    from farthing.gateway.purges import Purge

    wanted = Purge(tenant, team, customer, model)
    if everything == (wanted != Purge()):
        raise Refused(
            "Say which answers: --tenant, --team, --customer or --model; or --all, and then alone."
        )
    root = reading.folder_of(ctx)
    with changing.state_of(ctx, create=False) as state, _gateway_kept_out(root) as alone:
        found = _covered(root, state, wanted, running=not alone)
        if not dry_run and (root / "workspace.json").exists():
            _carry_out(root, state, wanted, alone=alone)
    if as_json:
        reading.print_json({"purged": str(wanted), "dry_run": dry_run, **found})
        return
    told = f"{found['memory_entries']:,} in memory, {found['disk_entries']:,} on disk"
    typer.echo(f"{'Would forget' if dry_run else 'Forgotten'} ({wanted}): {told}.")


def _covered(root: Path, state: State, wanted: Purge, *, running: bool) -> dict[str, Any]:
    from farthing.views.answers import kept

    rows = [row for row in kept(root, state, running=running) if wanted.covers(row.whose)]
    names = ("memory_entries", "memory_bytes", "disk_entries", "disk_bytes")
    return {name: sum(getattr(row, name) for row in rows) for name in names}


def _carry_out(root: Path, state: State, wanted: Purge, *, alone: bool) -> None:
    """A gateway that runs follows the audit; where none does, the file is ours."""
    from farthing.gateway import purges
    from farthing.gateway.cellar import purge_file

    with state.changing() as change:
        purges.note(change, wanted, changing.me())
    if alone:
        purge_file(root, wanted)


@contextmanager
def _gateway_kept_out(root: Path) -> Iterator[bool]:
    """Whether no gateway runs; then none starts until the end of the block."""
    from farthing.ledger.workspace import GATEWAY_LOCK, try_flock

    if not (root / "workspace.json").exists():
        yield True
        return
    handle = os.open(root / GATEWAY_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        yield try_flock(handle)
    finally:
        os.close(handle)
