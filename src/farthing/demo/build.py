"""Build the demo workspace: mark it as one, write its source files, import them. Read this first.

A world is drawn from a seed (`world`), told in the formats of its sources (`as_*`) and taken in
through the same import as anybody's files (`ledger.intake`). Nothing is put into the ledger by
hand, so building twice adds nothing.
"""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import msgspec

from farthing.config import FILE, Settings
from farthing.demo import as_anthropic_pages, as_focus, as_log, as_openai_pages, as_spans, settings
from farthing.demo.bill import unseen
from farthing.demo.world import Plan, World, build, days_of
from farthing.domain.errors import BadInput, DiskFull, Refused
from farthing.domain.money import Money
from farthing.ledger.durable import is_disk_full, replace_text
from farthing.ledger.intake import Rim, Summary, import_files
from farthing.ledger.workspace import Workspace
from farthing.prices.book import Book

MARK = "demo.json"  # in the workspace's folder: says that it is a demo, and of what
SOURCES = "demo"  # the folder of the source files in it

# Spans first: of all sources they say most about a call. `logs` tells of the same calls again;
# it is left for whoever wants to see that importing it adds nothing.
IMPORTED = ("spans", "openai", "anthropic", "google", "aws")

_NOTE = "Invented data, made by `farthing demo`. Do not import your own data here."
_LEVEL = 3  # of gzip: six times smaller in a second


class Mark(msgspec.Struct, frozen=True):
    """What `demo.json` says."""

    plan: Plan
    note: str = _NOTE


class Built(msgspec.Struct, frozen=True):
    """What was built, and what a reader of its report should find."""

    plan: Plan
    sources: Path
    imported: Summary
    loop_session: str
    loop_calls: int
    unseen: Money


def wanted(
    root: Path, today: date, *, seed: int | None, calls: int | None, month: str | None
) -> Plan:
    """What was asked for, else what is there already, else the last full month before `today`.

    Refuses a folder with something else in it, another plan than the one that is there, and a
    month that is not over: calls in the future would be quarantined.
    """
    there = _mark(root)
    before = today.replace(day=1) - timedelta(days=1)
    default = there.plan if there else Plan(month=f"{before:%Y-%m}")
    plan = Plan(
        seed=default.seed if seed is None else seed,
        calls=default.calls if calls is None else calls,
        month=default.month if month is None else month,
        unseen=default.unseen,
    )
    if days_of(plan.month)[-1] >= today:
        raise Refused(f"{plan.month} is not over on {today}. Name an earlier month with --month.")
    if there and plan != there.plan:
        raise Refused(
            f"{root} holds the demo of {_named(there.plan)}, not of {_named(plan)}. "
            "Remove that folder, or choose another with --workspace."
        )
    return plan


def build_workspace(root: Path, plan: Plan, rim: Rim) -> Built:
    """Write what is not written yet, import everything, and say what is planted in it."""
    world = build(plan)
    _prepare(root, plan)
    workspace, book = Workspace.open(root), Book.load(root)
    with workspace.lock():
        write_sources(root / SOURCES, world, book)
    imported = import_sources(workspace, rim)
    loop = [attempt for attempt in world.answered if attempt.session_id == world.loop_session]
    return Built(
        plan=plan,
        sources=root / SOURCES,
        imported=imported,
        loop_session=world.loop_session,
        loop_calls=len(loop),
        unseen=unseen(world, book),
    )


def import_sources(workspace: Workspace, rim: Rim) -> Summary:
    names = [str(workspace.root / SOURCES / folder) for folder in IMPORTED]
    return import_files(workspace, Settings.load(workspace.root), rim, names)


def write_sources(folder: Path, world: World, book: Book) -> None:
    """All files or none: they are written beside the folder, which then appears at once."""
    if folder.exists():
        return
    unfinished = folder.with_name(f".{folder.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        for name, content in files(world, book):
            target = unfinished / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        unfinished.rename(folder)
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        if is_disk_full(error):
            raise DiskFull(str(folder)) from error
        raise


def files(world: World, book: Book) -> Iterator[tuple[str, bytes]]:
    """Names and contents of every source file, compressed where the name says so."""
    told = (
        *(as_spans.files(world), as_log.files(world), as_openai_pages.files(world, book)),
        *(as_anthropic_pages.files(world, book), as_focus.files(world, book)),
    )
    for source in told:
        for name, content in source:
            # Without a time of writing, so that the same plan gives the same bytes.
            packed = gzip.compress(content, _LEVEL, mtime=0) if name.endswith(".gz") else content
            yield name, packed


def _prepare(root: Path, plan: Plan) -> None:
    """The mark comes first: a demo that was cut short is a demo still."""
    root.mkdir(parents=True, exist_ok=True)
    if _mark(root) is None:
        replace_text(root / MARK, msgspec.json.encode(Mark(plan)).decode() + "\n")
    if not (root / FILE).exists():
        replace_text(root / FILE, settings.text())


def _mark(root: Path) -> Mark | None:
    """Whose folder this is; None for nobody's. Refuses one that is not a demo's."""
    if not root.exists():
        return None
    if not (root / MARK).exists():
        if root.is_dir() and not any(root.iterdir()):
            return None
        raise Refused(
            f"{root} is not a demo workspace, and the demo would mix invented figures into it. "
            "Choose another folder with --workspace."
        )
    try:
        return msgspec.json.decode((root / MARK).read_bytes(), type=Mark)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput(
            str(root / MARK), f"not a demo's mark ({error})", "Remove the folder and run it again."
        ) from error


def _named(plan: Plan) -> str:
    return f"{plan.month} with seed {plan.seed} and {plan.calls} calls"
