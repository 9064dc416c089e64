"""`farthing policy`: the knobs in force, every version of them, and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farthing.cli import changing, reading, routed
from farthing.cli.reading import Json

if TYPE_CHECKING:
    from farthing.policy.versions import Version

app = typer.Typer(name="policy", help="How calls are treated, versioned.", no_args_is_help=True)

Old = Annotated[int, typer.Argument(metavar="VERSION", help="As `policy list` shows it.")]


@app.command()
def show(
    ctx: typer.Context,
    *,
    version: Annotated[int | None, typer.Option(help="Another one than that in force.")] = None,
    as_json: Json = False,
) -> None:
    """Print the policy in force, byte for byte as it was set."""
    from farthing.policy import versions

    with changing.state_of(ctx, create=False) as state:
        found = versions.current(state) if version is None else versions.one(state, version)
    if as_json:
        reading.print_json(_shown(found))
        return
    typer.echo(f"version {found.version}: {_about(found)}", err=True)
    typer.echo(found.text, nl=False)


@app.command("set")
def set_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="TOML, see docs/policy.md.")],
    *,
    why: Annotated[str, typer.Option(help="The reason, for those who ask later.")] = "",
    as_json: Json = False,
) -> None:
    """Put a policy in force; a running gateway follows within a second."""
    from farthing.policy import versions

    text = _read(file)
    with changing.state_of(ctx) as state:
        with state.changing() as change:
            versions.put(change, text, changing.me(), why or f"set from {file.name}")
        _print_now(ctx, versions.current(state), as_json=as_json)


@app.command()
def rollback(
    ctx: typer.Context,
    version: Annotated[
        int | None, typer.Argument(metavar="[VERSION]", help="Default: the one before.")
    ] = None,
    *,
    why: Annotated[str, typer.Option(help="The reason, for those who ask later.")] = "",
    as_json: Json = False,
) -> None:
    """Go back to an older version: a new one whose text is the old one's, byte for byte."""
    from farthing.policy import versions

    with changing.state_of(ctx, create=False) as state:
        with state.changing() as change:
            versions.rollback(change, state, version, changing.me(), why)
        _print_now(ctx, versions.current(state), as_json=as_json)


@app.command()
def diff(
    ctx: typer.Context,
    old: Old,
    new: Annotated[
        int | None, typer.Argument(metavar="[VERSION]", help="Default: the one in force.")
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """What changed from one version to another; nothing where nothing did."""
    from farthing.policy import versions

    with changing.state_of(ctx, create=False) as state:
        before = versions.one(state, old)
        after = versions.current(state) if new is None else versions.one(state, new)
    found = versions.diff(before, after)
    if as_json:
        reading.print_json({"old": before.version, "new": after.version, "diff": found})
    else:
        typer.echo(found, nl=False)


@app.command("list")
def list_(ctx: typer.Context, *, as_json: Json = False) -> None:
    """Every version, the newest first: who set it, when and why. 0 are the defaults."""
    from farthing.policy import versions

    with changing.state_of(ctx, create=False) as state:
        found = versions.listed(state)
    if as_json:
        reading.print_json([_shown(each) for each in found])
        return
    for each in found:
        typer.echo(f"{each.version:>4}  {_about(each)}")


def _read(file: Path) -> str:
    from farthing.domain.errors import BadInput, Refused
    from farthing.policy.versions import LONGEST

    if not file.is_file():
        raise Refused(f"There is no file {file}. See docs/policy.md for what it may say.")
    with file.open("rb") as stream:
        read = stream.read(4 * LONGEST)
    try:
        return read.decode("utf-8")
    except UnicodeDecodeError as error:
        fix = f"Write it anew as UTF-8: iconv -f LATIN1 -t UTF-8 {file} > NEW."
        raise BadInput(str(file), "the text is not UTF-8", fix) from error


def _about(found: Version) -> str:
    said = " ".join(found.reason.split())
    return f"{found.at or '-':20}  {found.author}: {said}"


def _shown(found: Version) -> dict[str, Any]:
    import tomllib

    import msgspec

    return {
        "version": found.version,
        "author": found.author,
        "reason": found.reason,
        "at": found.at,
        "text": found.text,
        "policy": msgspec.to_builtins(tomllib.loads(found.text)),
    }


def _print_now(ctx: typer.Context, found: Version, *, as_json: bool) -> None:
    unserved = routed.warnings(found.text, reading.settings_of(ctx))
    if as_json:
        reading.print_json({**_shown(found), "warnings": unserved})
    else:
        typer.echo(f"Version {found.version} is in force.")
        routed.tell(unserved)
