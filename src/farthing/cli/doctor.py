"""Check the set-up of farthing and say the fix for what is wrong."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from farthing.cli import readiness
from farthing.cli.finding import Finding
from farthing.cli.reading import folder_of
from farthing.config import FILE, Settings
from farthing.domain.errors import FarthingError
from farthing.domain.period import zone

ROOM_NEEDED = 1024**3
SLOW_SYNC_MS = 100.0
LONG_JOURNAL = 1024**3
OLD_PRICES_DAYS = 180


def doctor(
    context: typer.Context,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check settings, workspace, disk, prices, and what the gateway needs; say each fix.

    Ends with 1 if something is wrong; a warning alone ends with 0.
    """
    now = datetime.now(UTC)
    findings = list(examine(folder_of(context), now.date()))
    findings += readiness.examine(folder_of(context), now)
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        _print(findings)
    raise typer.Exit(int(any(finding.state == "wrong" for finding in findings)))


def examine(workspace: Path, today: date) -> Iterator[Finding]:
    """Every check in turn. Changes nothing; what it writes to try the disk it removes."""
    yield _configuration(workspace)
    yield _timezone(workspace)
    yield _workspace(workspace)
    yield _disk(_nearest(workspace))
    yield _writes(_nearest(workspace))
    yield _journal(workspace / "journal")
    yield _quarantine(workspace / "quarantine")
    yield _prices(today)
    yield _plugins()


def _configuration(workspace: Path) -> Finding:
    try:
        path = Settings.load(workspace).path
    except FarthingError as error:
        return Finding("configuration", "wrong", str(error), f"Correct it in {FILE}.")
    if unread := Settings.unread(workspace):
        fix = "Keep one of them, or take another workspace: `farthing --workspace DIR …`."
        return Finding("configuration", "warning", f"{path} comes before {unread}", fix)
    return Finding("configuration", "ok", str(path) if path else f"no {FILE}: the defaults")


def _timezone(workspace: Path) -> Finding:
    try:
        name = Settings.load(workspace).timezone
        now = datetime.now(zone(name))
    except FarthingError as error:
        return Finding("time zone", "wrong", str(error), f"Set timezone in {FILE}.")
    return Finding("time zone", "ok", f"{name}, where it is {now:%Y-%m-%d %H:%M %z}")


def _workspace(workspace: Path) -> Finding:
    from farthing.ledger.schema import VERSION

    file = workspace / "workspace.json"
    if not file.exists():
        return Finding("workspace", "ok", f"none at {workspace} yet; the first import makes it")
    try:
        version = int(json.loads(file.read_bytes())["schema"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        fix = "Restore it from a backup of the workspace."
        return Finding("workspace", "wrong", f"{file} cannot be read ({error})", fix)
    found = f"{workspace}, schema {version}"
    if version > VERSION:
        fix = "Upgrade farthing, or point --workspace elsewhere."
        return Finding("workspace", "wrong", f"{found}; this farthing knows up to {VERSION}", fix)
    if version < VERSION:
        fix = f"Nothing to do: the next command migrates it to {VERSION} and keeps a backup."
        return Finding("workspace", "warning", found, fix)
    return Finding("workspace", "ok", found)


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    found = f"{_size(free)} free at {folder}"
    if free < ROOM_NEEDED:
        fix = f"Free some space, at least {_size(ROOM_NEEDED)}, or move the workspace."
        return Finding("disk", "wrong", found, fix)
    return Finding("disk", "ok", found)


def _writes(folder: Path) -> Finding:
    """Whether the disk takes what is written, and how long it takes to make it durable."""
    file = folder / f".farthing-doctor-{os.getpid()}"
    try:
        taken = sorted(_sync_ms(file) for _ in range(5))[2]
    except OSError as error:
        fix = f"Give yourself the right to write in {folder}, or point --workspace elsewhere."
        return Finding("fsync", "wrong", f"{error.strerror} at {folder}", fix)
    finally:
        file.unlink(missing_ok=True)
    found = f"{taken:.1f} ms at {folder}"
    if taken > SLOW_SYNC_MS:
        fix = "Put the workspace on a local disk; a network or busy disk makes every write wait."
        return Finding("fsync", "warning", found, fix)
    return Finding("fsync", "ok", found)


def _sync_ms(file: Path) -> float:
    with file.open("wb") as stream:
        stream.write(bytes(4096))
        stream.flush()
        began = time.perf_counter()
        os.fsync(stream.fileno())
        return (time.perf_counter() - began) * 1000


def _journal(folder: Path) -> Finding:
    from farthing.ledger.journal import SUFFIX

    segments = list(folder.glob(f"*/*{SUFFIX}"))
    waiting = sum(path.stat().st_size for path in segments)
    torn = sum(not _ends_whole(path) for path in segments)
    found = f"{len(segments)} segments, {_size(waiting)} not yet in the table"
    if torn:
        found += f"; {torn} end in half a line, which readers pass over"
    if waiting > LONG_JOURNAL:
        fix = "Run `farthing compact`; reports read the journal slower than the table."
        return Finding("journal", "warning", found, fix)
    return Finding("journal", "ok", found if segments else "empty")


def _ends_whole(segment: Path) -> bool:
    with segment.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 1, 0))
        return file.read(1) in {b"", b"\n"}


def _quarantine(folder: Path) -> Finding:
    files = [path for path in folder.rglob("*") if path.is_file()]
    if not files:
        return Finding("quarantine", "ok", "empty")
    newest = max(files, key=lambda path: path.stat().st_mtime)
    fix = f"Read {newest}, mend those rows at their source, and import it again."
    return Finding("quarantine", "warning", f"{len(files)} files with rows left out", fix)


def _prices(today: date) -> Finding:
    """How far the price list reaches: its newest change that is not in the future."""
    from importlib.metadata import version

    newest = max((day for day in _price_changes() if day <= today), default=date.min)
    age = (today - newest).days
    found = f"genai-prices {version('genai-prices')}; newest price of {newest}, {age} days ago"
    if age > OLD_PRICES_DAYS:
        fix = "Upgrade with `pip install -U genai-prices`; newer models would be unpriced."
        return Finding("prices", "warning", found, fix)
    return Finding("prices", "ok", found)


def _price_changes() -> Iterator[date]:
    from genai_prices.data import providers
    from genai_prices.types import StartDateConstraint

    for provider in providers:
        for model in provider.models:
            for price in model.prices if isinstance(model.prices, list) else ():
                if isinstance(price.constraint, StartDateConstraint):
                    yield price.constraint.start_date


def _plugins() -> Finding:
    from farthing.registry import KINDS, Broken, find

    found = [each for kind in KINDS for each in find(kind)]
    broken = [each.name for each in found if isinstance(each, Broken)]
    if broken:
        fix = "Run `farthing plugins` for the reasons; upgrade or remove what brings them."
        return Finding("plugins", "warning", f"broken: {', '.join(broken)}", fix)
    return Finding("plugins", "ok", f"{len(found)} found")


def _nearest(path: Path) -> Path:
    return next(folder for folder in (path, *path.absolute().parents) if folder.is_dir())


def _size(count: int) -> str:
    return f"{count / 1024**3:,.1f} GiB" if count >= 1024**3 else f"{count / 1024**2:,.1f} MiB"


def _print(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    colour = {"ok": "green", "warning": "yellow", "wrong": "red"}
    table = Table("check", "state", "found", box=None, pad_edge=False)
    for each in findings:
        note = f"{each.found}\n→ {each.fix}" if each.fix else each.found
        table.add_row(each.check, f"[{colour[each.state]}]{each.state}[/]", escape(note))
    Console().print(table)
