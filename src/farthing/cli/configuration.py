"""`farthing config`: put in force what a farthing.toml declares."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farthing.cli import changing, reading, routed
from farthing.cli.reading import DryRun, Json

if TYPE_CHECKING:
    from farthing.cli.declared import Drift

app = typer.Typer(name="config", help="What farthing.toml declares.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(metavar="FILE", help="A farthing.toml.")]


@app.callback()
def config() -> None:
    """What farthing.toml declares."""  # one command alone would lose its name


@app.command()
def apply(
    ctx: typer.Context, file: File, *, dry_run: DryRun = False, as_json: Json = False
) -> None:
    """Set keys, budgets, policy and rules as the file has them, all or nothing; show the drift.

    New keys are printed, this once. What an earlier file declared and this one does not is
    removed; what commands made stays. With --dry-run nothing is written, and the command ends
    with 1 where there is drift.
    """
    from farthing.cli import declared
    from farthing.config import Settings
    from farthing.domain.errors import Refused
    from farthing.policy.toml import to_toml

    if not file.is_file():
        raise Refused(f"There is no file {file}. `farthing init` writes a farthing.toml.")
    settings = Settings.read(file)
    tokens: dict[str, str] = {}
    with changing.state_of(ctx, create=not dry_run) as state:
        if dry_run:
            found = declared.drift(state, settings, reading.now())
        else:
            found, tokens = declared.apply(state, settings, changing.me("config"))
    unserved = routed.warnings(to_toml(settings.policy), settings)
    if as_json:
        changes = [shown(each) for each in found]
        told = {"applied": not dry_run, "changes": changes, "keys": tokens}
        reading.print_json({**told, "warnings": unserved})
    else:
        _print(found, tokens, dry_run=dry_run)
        routed.tell(unserved)
    raise typer.Exit(int(dry_run and bool(found)))


def shown(drift: Drift) -> dict[str, Any]:
    """One change as JSON has it."""
    who = {"kind": drift.kind, "name": drift.name, "change": drift.change}
    return {**who, "was": drift.was, "will": drift.will}


def sentences(found: list[Drift]) -> list[str]:
    """One line a change: what it is, and which of its values differ."""
    return [f"{each.kind} {each.name}: {each.change}{_values(each)}" for each in found]


def _values(drift: Drift) -> str:
    if not isinstance(drift.was, dict) or not isinstance(drift.will, dict):
        return ""
    names = [name for name in {**drift.was, **drift.will} if _differs(drift, name)]
    said = (f"{name} {drift.was.get(name, '-')} → {drift.will.get(name, '-')}" for name in names)
    return f" ({'; '.join(said)})" if names else " (it is the file's from now on)"


def _differs(drift: Drift, name: str) -> bool:
    return bool(drift.was.get(name) != drift.will.get(name))


def _print(found: list[Drift], tokens: dict[str, str], *, dry_run: bool) -> None:
    for line in sentences(found):
        typer.echo(line)
    for name, token in tokens.items():
        typer.echo(f"{name} {token}")
    if tokens:
        typer.echo("Keep the keys now: they are not shown again.", err=True)
    verb = "would change" if dry_run else "changed"
    typer.echo(f"{len(found)} {verb}." if found else "Nothing differs.", err=True)
