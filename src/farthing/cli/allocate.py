"""`farthing allocate`: rules that came later, for rows that have no owner."""

from __future__ import annotations

import typer

from farthing.cli import reading
from farthing.cli.reading import DryRun, Json, Since, Timezone, Until, Where


def allocate(  # noqa: PLR0913  one argument per option
    ctx: typer.Context,
    since: Since = None,
    until: Until = None,
    timezone: Timezone = None,
    where: Where = None,
    dry_run: DryRun = False,  # noqa: FBT002  how typer spells a flag
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Apply today's [[allocate]] rules to stored rows, where their scope is empty.

    A team, project … that a row has stays. Each row that gets one is reversed and booked anew;
    a second run adds nothing, and `report --as-of` still shows what was booked before. Contract
    prices that depend on the new owner follow with `farthing prices rerate`.
    """
    from farthing.ledger.reallocate import reallocate
    from farthing.ledger.workspace import Workspace

    workspace = Workspace.open(reading.folder_of(ctx), create=False)
    rules = reading.settings_of(ctx).allocate
    selection = reading.selection_of(ctx, since, until, timezone, where)
    done = reallocate(workspace, rules, selection, reading.now, dry_run=dry_run)
    if as_json:
        reading.print_json(
            {
                "rows": done.rows,
                "changed": done.changed,
                "cost_usd": str(done.cost),
                "seconds": done.seconds,
            }
        )
        return
    verb = "would get" if dry_run else "got"
    typer.echo(f"{done.changed:,} of {done.rows:,} rows {verb} an owner: {done.cost} USD.")
