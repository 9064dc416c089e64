"""What the reading commands share: the ledger opened, the question's options read."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from rich.console import Console

    from farthing.config import Settings
    from farthing.domain.period import Period
    from farthing.ledger.queries import Selection

Since = Annotated[
    str | None, typer.Option(help="From when on: 30d, 12h, 2026-10, 2026-10-03, an ISO time.")
]
Until = Annotated[str | None, typer.Option(help="Up to, not including; written like --since.")]
Timezone = Annotated[
    str | None, typer.Option(help="Zone of days and of dates given, such as Europe/Berlin.")
]
Where = Annotated[
    list[str] | None,
    typer.Option(help="field=value, field!=value, field~glob; comma = and, repeated = or."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would change, and write nothing.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, money as decimal strings.")]


def folder_of(ctx: typer.Context) -> Path:
    """The workspace folder: --workspace, else FARTHING_WORKSPACE, else ./.farthing."""
    # `main.farthing` sets it; a command that is tested alone has the default.
    return ctx.obj if isinstance(ctx.obj, Path) else Path(".farthing")


def settings_of(ctx: typer.Context) -> Settings:
    from farthing.config import Settings

    return Settings.load(folder_of(ctx))


@contextmanager
def ledger_of(ctx: typer.Context) -> Iterator[DuckDBPyConnection]:
    """The ledger as it is now, for reading."""
    import duckdb

    from farthing.ledger import engine

    try:
        with _connect(folder_of(ctx)) as connection:
            yield connection
    except (duckdb.IOException, duckdb.InvalidInputException) as error:
        if ".parquet" in str(error):
            raise engine.damaged(folder_of(ctx)) from error
        raise


def zone_of(timezone: str | None, settings: Settings) -> ZoneInfo:
    from farthing.domain.period import zone

    return zone(timezone or settings.timezone)


def period_of(since: str | None, until: str | None, zone: ZoneInfo, now: datetime) -> Period:
    from farthing.domain.errors import Refused
    from farthing.domain.period import Period, moment

    period = Period(
        None if since is None else moment(since, now, zone),
        None if until is None else moment(until, now, zone),
    )
    if period.since and period.until and period.since >= period.until:
        raise Refused("--since must be before --until, which is exclusive.")
    return period


def selection_of(
    ctx: typer.Context,
    since: str | None,
    until: str | None,
    timezone: str | None,
    where: list[str] | None,
) -> Selection:
    """The rows that a command is asked to look at."""
    from farthing.domain.where import parse_any
    from farthing.ledger.queries import Selection

    zone = zone_of(timezone, settings_of(ctx))
    return Selection(period_of(since, until, zone, now()), parse_any(where or ()))


def now() -> datetime:
    return datetime.now(UTC)


def print_json(value: Any) -> None:
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


def console() -> Console:
    """Plain text of any width where nobody looks; colours and the window's width on a terminal."""
    from rich.console import Console

    seen = sys.stdout.isatty()
    return Console(
        highlight=False,
        markup=False,  # a team may be called [red]
        emoji=False,
        no_color=not seen or None,
        width=None if seen else 160,
    )


def _connect(folder: Path) -> DuckDBPyConnection:
    from farthing.ledger.engine import connect
    from farthing.ledger.workspace import Workspace

    return connect(Workspace.open(folder, create=False))
