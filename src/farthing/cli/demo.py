"""Build a workspace of invented data, import it and show its report."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farthing.cli import imports, report

if TYPE_CHECKING:
    from farthing.demo.build import Built


def demo(
    context: typer.Context,
    *,
    seed: Annotated[int | None, typer.Option(help="Which company and month; default 1.")] = None,
    calls: Annotated[int | None, typer.Option(help="How many calls; default 40000.")] = None,
    month: Annotated[
        str | None, typer.Option(help="Such as 2026-10; default the last full month.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Build a demo workspace, a month of an invented company's AI, and report on it.

    The files are left in the workspace's folder demo/, each in the format of its source, for
    trying `farthing import` on them. Running it again adds nothing. A workspace that is not a
    demo is never written to. What is planted in the month is told in docs/demo.md.
    """
    from farthing.cli.progress import bar, nothing
    from farthing.demo.build import build_workspace, wanted
    from farthing.ledger.intake import Rim
    from farthing.registry import IMPORTERS, plugins

    root, today = Path(context.obj), datetime.now(UTC).date()
    plan = wanted(root, today, seed=seed, calls=calls, month=month)
    with nothing() if as_json else bar() as progress:
        rim = Rim(tuple(plugins(IMPORTERS)), lambda: datetime.now(UTC), progress)
        built = build_workspace(root, plan, rim)
    typer.echo(json.dumps(as_record(built), indent=2) if as_json else "\n".join(said(built)))
    for refused in built.imported.refused:
        typer.echo(f"farthing: {refused}", err=True)
    if not as_json:
        report.report(context)
        typer.echo("\n".join(next_steps(built)))
    raise typer.Exit(int(bool(built.imported.quarantined or built.imported.refused)))


def as_record(built: Built) -> dict[str, object]:
    return {
        "seed": built.plan.seed,
        "calls": built.plan.calls,
        "month": built.plan.month,
        "sources": str(built.sources),
        "import": imports.as_record(built.imported),
        "loop_session": built.loop_session,
        "loop_calls": built.loop_calls,
        "unseen_usd": str(built.unseen),
    }


def said(built: Built) -> list[str]:
    """What was done, and what to look for in it."""
    done, plan = built.imported, built.plan
    lines = [
        f"Demo workspace {built.sources.parent}: invented data of {plan.month}, seed {plan.seed}.",
        f"{done.added:,} rows of {built.sources} added in {done.seconds:.1f} s; "
        f"{done.duplicates:,} were there already.",
    ]
    if done.quarantined or done.unpriced:
        lines += imports.said(done)[1:]
    return [
        *lines,
        f"Planted: session {built.loop_session} made {built.loop_calls:,} equal calls in one "
        f"night; openai billed {built.unseen} USD for calls that nobody logged.",
        "",
    ]


def next_steps(built: Built) -> list[str]:
    """Where the planted things show."""
    command = f"farthing --workspace {shlex.quote(str(built.sources.parent))}"
    return [
        f"The loop:     {command} report --by feature,session --limit 5",
        f"The bill:     {command} reconcile --provider openai --month {built.plan.month}",
        f"Nothing new:  {command} import {shlex.quote(str(built.sources / 'logs'))}",
    ]
