"""`farthing import`: take logs, usage reports and bills into the ledger."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from farthing.domain.errors import Refused

if TYPE_CHECKING:
    from farthing.ledger.intake import Summary


def import_(  # noqa: PLR0913  one argument per option
    context: typer.Context,
    files: Annotated[list[str], typer.Argument(help="Files, folders, globs, or - for stdin.")],
    *,
    kind: Annotated[str | None, typer.Option("--as", help="The format, if not as found.")] = None,
    provider: Annotated[
        str | None, typer.Option(help="Who was called, where a source does not say.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Which model, where a source does not say.")
    ] = None,
    account: Annotated[
        str | None, typer.Option(help="Which account with the provider, likewise.")
    ] = None,
    date: Annotated[str | None, typer.Option(help="The day of rows without a time.")] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Where times without an offset are from; else UTC.")
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option("--map", help="FIELD=COLUMN: input_total=ContextTokens, tag.app=app."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Import calls, usage and invoices; every format is recognised by its content.

    The same file twice adds nothing, and overlapping files count once. Rows that cannot be read
    go to a quarantine file with line, field and reason; the rest is kept, and the command ends
    with 1. Formats: `farthing plugins`.
    """
    from farthing.config import Settings
    from farthing.ledger.importer import Options
    from farthing.ledger.intake import Rim, import_files
    from farthing.ledger.workspace import Workspace
    from farthing.registry import IMPORTERS
    from farthing.registry import plugins as found

    settings = Settings.load(context.obj)
    options = Options(
        provider=provider,
        model=model,
        account=account,
        date=_day(date),
        timezone=_zone(timezone or settings.timezone),
        columns=_mapping(columns or []),
    )
    workspace = Workspace.open(context.obj)
    with _progress(quiet=as_json) as progress:
        rim = Rim(tuple(found(IMPORTERS)), lambda: datetime.now(UTC), progress)
        summary = import_files(workspace, settings, rim, files, options, kind=kind)
    if as_json:
        typer.echo(json.dumps(as_record(summary)))
    elif summary.rows or not summary.refused:  # a refusal says all there is to say
        typer.echo("\n".join(said(summary)))
    for refused in summary.refused:
        typer.echo(f"farthing: {refused}", err=True)
    raise typer.Exit(_exit_code(summary))


def as_record(summary: Summary) -> dict[str, object]:
    """The JSON of an import; money is a decimal string."""
    return {
        "rows": summary.rows,
        "added": summary.added,
        "corrected": summary.corrected,
        "duplicates": summary.duplicates,
        "quarantined": summary.quarantined,
        "unpriced": summary.unpriced,
        "cost_usd": f"{summary.cost_usd:f}",
        "seconds": summary.seconds,
        "uncounted": summary.uncounted,
        "unpriced_units": summary.unpriced_units,
        "quarantine_files": [str(path) for path in summary.quarantine],
        "unpriced_models": sorted(summary.unpriced_models),
        "refused": [str(error) for error in summary.refused],
        "notes": summary.notes,
    }


def said(summary: Summary) -> list[str]:
    """What happened, for people: the sentence first, then what needs attention."""
    from farthing.domain.money import Money
    from farthing.views import figures

    lines = [
        f"{_rows(summary.added)} added, {figures.dollars(Money.of(summary.cost_usd))} in all; "
        f"{summary.duplicates:,} were there already. Took {summary.seconds:.1f} s{_rate(summary)}."
    ]
    if summary.corrected:
        lines.append(
            f"{summary.corrected:,} of them say more of a bucket that was there, and replace it."
        )
    lines += [f"  {note}" for note in dict.fromkeys(summary.notes)]
    if summary.uncounted:
        lines.append(
            f"{summary.uncounted:,} calls say nothing of what they used, so their cost is not "
            "known and not counted as 0. They are flagged `uncounted`."
        )
    if summary.unpriced_units:
        lines.append(
            f"{summary.unpriced_units:,} rows counted something that has no price, such as "
            "searches or images: their cost is too low. See them with `farthing calls --where "
            "flags~*unpriced_units*`, and give a price under [[prices]] in farthing.toml."
        )
    if summary.unpriced > summary.uncounted:
        models = ", ".join(sorted(summary.unpriced_models))
        without = _rows(summary.unpriced - summary.uncounted)
        lines.append(
            f"No price is known for {models}: {without} kept without a cost. "
            "Give one under [[prices]] in farthing.toml, then run `farthing prices rerate`."
        )
    if summary.quarantined:
        lines.append(f"{_rows(summary.quarantined)} put aside, the rest is kept:")
        lines += [f"  {problem}" for problem in summary.problems]
        lines += [f"  all of them: {path}" for path in summary.quarantine]
    elif not summary.rows:
        lines.append("There is no row in it. Check the export.")
    if summary.added:
        lines.append("Where it went: `farthing report`.")
    return [figures.printable(line) for line in lines]


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _rate(summary: Summary) -> str:
    if summary.seconds < 1:  # start-up, not speed
        return ""
    return f", {summary.rows / summary.seconds:,.0f} rows/s"


def _exit_code(summary: Summary) -> int:
    if summary.refused:
        return Refused.exit_code
    return 1 if summary.quarantined else 0


def _mapping(pairs: list[str]) -> dict[str, str]:
    mapping = {}
    for pair in pairs:
        field, equals, column = pair.partition("=")
        if not equals or not field or not column:
            raise Refused(f"--map {pair}: write FIELD=COLUMN, such as input_total=ContextTokens.")
        mapping[field.strip()] = column.strip().strip("'\"")
    return mapping


def _day(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).isoformat()
    except ValueError as error:
        raise Refused(f"--date {text}: write it as 2026-10-03.") from error


def _zone(name: str) -> str:
    from farthing.domain.period import zone

    return str(zone(name))


def _progress(*, quiet: bool) -> AbstractContextManager[Progress]:
    from farthing.cli.progress import bar, nothing

    return nothing() if quiet else bar()


if TYPE_CHECKING:
    from farthing.cli.progress import Progress
