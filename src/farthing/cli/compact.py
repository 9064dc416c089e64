"""`farthing compact`: move what the journal has sealed into the tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from farthing.ledger.compact import Compacted


def compact(
    context: typer.Context,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Move sealed journal segments into the tables and bring the rollup up to date.

    Reports are right without it, but slower the longer the journal is. Calls that a killed
    process left without an answer are booked at the most they can have cost, marked `recovered`.
    Segments that a budget has not counted yet are stored, too, and stay until it has.
    It may be stopped at any moment; the next run goes on where it was.
    """
    from farthing.ledger import rollup, watermarks
    from farthing.ledger.compact import compact as move
    from farthing.ledger.tidy import tidy
    from farthing.ledger.workspace import Workspace

    workspace = Workspace.open(context.obj, create=False)
    done = move(workspace, keep_from=watermarks.uncounted_from(workspace.root))
    tidy(workspace)
    sums = rollup.update(workspace)
    typer.echo(json.dumps(as_record(done, sums)) if as_json else said(done))


def as_record(done: Compacted, sums: int) -> dict[str, int]:
    """The JSON of a run."""
    return {
        "rows": done.rows,
        "segments": done.segments,
        "adopted": done.adopted,
        "recovered": done.recovered,
        "rollup_rows": sums,
    }


def said(done: Compacted) -> str:
    """The sentence for people."""
    if not done.segments:
        return "Nothing to move: the journal has no sealed segment."
    moved = f"{_counted(done.rows, 'row')} of {_counted(done.segments, 'segment')} moved."
    if not done.recovered:
        return moved
    unknown = (
        f"{_counted(done.recovered, 'call')} of unknown outcome booked at the hold: recovered."
    )
    return f"{moved} {unknown}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
