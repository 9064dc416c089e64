"""Append rows to a Delta table so that all of them are kept, or none."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import unquote

import msgspec

from farthing.domain.errors import Defect, DiskFull
from farthing.ledger import schema
from farthing.ledger.durable import is_disk_full, sync_file, sync_folders
from farthing.ledger.workspace import Workspace

if TYPE_CHECKING:
    from deltalake import DeltaTable, Schema, WriterProperties
    from deltalake.transaction import AddAction, RemoveAction


# Sees the files of an append before they are committed; what it raises undoes them.
Check = Callable[[list[str]], None]


def no_step(_name: str) -> None:
    """What happens between two steps of an append when nobody watches: nothing."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A table as of one version; -1 where nothing was ever written."""

    version: int = -1
    files: tuple[str, ...] = ()
    _table: DeltaTable | None = field(default=None, repr=False, compare=False)

    @property
    def id(self) -> str | None:
        """Which table this is: one that was deleted and made again has another id."""
        return None if self._table is None else str(self._table.metadata().id)

    def transaction(self, app: str) -> int | None:
        """The last version that this application recorded together with its rows."""
        return self._table.transaction_version(app) if self._table is not None else None


def snapshot(workspace: Workspace, table: schema.Table) -> Snapshot:
    from deltalake import DeltaTable
    from deltalake.exceptions import TableNotFoundError

    try:
        delta = DeltaTable(workspace.table_uri(table.name))
    except TableNotFoundError:
        return Snapshot()
    return Snapshot(delta.version(), tuple(_paths(delta)), delta)


def files(workspace: Workspace, table: schema.Table) -> list[str]:
    """The Parquet files of the current version."""
    return list(snapshot(workspace, table).files)


def create(workspace: Workspace, table: schema.Table) -> None:
    """Make the table, with every column and no rows, unless it is there."""
    from deltalake import DeltaTable

    DeltaTable.create(
        workspace.table_uri(table.name),
        schema=_delta_schema(table),
        mode="ignore",
        partition_by=[schema.PARTITION],
        configuration=_configuration(table),
    )


def append(
    workspace: Workspace,
    table: schema.Table,
    rows: object,
    *,
    txn: Mapping[str, int] | tuple[str, int] | None = None,
    check: Check | None = None,
    step: Callable[[str], None] = no_step,
) -> int:
    """Add rows in one commit and wait until it is on the disk; answers how many they were.

    `rows` is a DuckDB relation or any Arrow stream with the table's columns and the day; columns
    that are NULL in every row are best left out (each costs as much time as one with values).
    `txn` names applications and versions: once the table has them (a repeat after a crash),
    nothing is written and the answer is 0. `check` sees the written files before they are
    committed; what it raises undoes them. `step` is told what has been done.

    The rows are written beside the table first. So a failure leaves no trace, and the log never
    names a file that a power cut may still undo.
    """
    named = dict([txn]) if isinstance(txn, tuple) else txn or {}
    return _apply(workspace, table, _Change(rows, txn=named, check=check, step=step))


def replace(
    workspace: Workspace,
    table: schema.Table,
    rows: object,
    *,
    txn: Mapping[str, int],
    step: Callable[[str], None] = no_step,
) -> int:
    """Put these rows in the place of all others, as `append` does. Old files stay for readers."""
    return _apply(workspace, table, _Change(rows, mode="overwrite", txn=txn, step=step))


def rewrite(
    workspace: Workspace,
    table: schema.Table,
    rows: object,
    gone: Sequence[str],
    *,
    step: Callable[[str], None] = no_step,
) -> int:
    """Put the very rows of some files into other files. Old files stay for readers."""
    return _apply(workspace, table, _Change(rows, gone=gone, step=step))


def added_between(
    workspace: Workspace, table: schema.Table, old: int, new: int
) -> list[str] | None:
    """The files that came after one version, up to another; None if that cannot be told.

    It cannot where the log was shortened meanwhile, or where rows or files were taken away.
    Files that `rewrite` put in the place of others bring no rows and are left out.
    """
    home = Path(workspace.table_uri(table.name))
    if old > new:
        return None
    try:
        logs = [home / "_delta_log" / f"{version:020d}.json" for version in range(old + 1, new + 1)]
        entries = [entry for log in logs for entry in _entries(log)]
    except FileNotFoundError:
        return None
    if any(entry.remove is not None and entry.remove.data_change for entry in entries):
        return None
    added = [home / each.add.path for each in entries if each.add and each.add.data_change]
    return [str(file) for file in added] if all(file.exists() for file in added) else None


def forget_old(workspace: Workspace, table: schema.Table) -> None:
    """Delete files that have been no part of the table for a week."""
    from deltalake import DeltaTable

    DeltaTable(workspace.table_uri(table.name)).vacuum(retention_hours=7 * 24, dry_run=False)


def sweep(workspace: Workspace) -> None:
    """Remove what an append that did not finish left behind."""
    with workspace.lock():
        for stage in sorted((workspace.tables / ".staging").glob("*")):
            name = stage / "table"
            if name.exists():
                _forget(workspace, name.read_text(encoding="utf-8"), stage)
            shutil.rmtree(stage)


def add_missing_columns(workspace: Workspace, table: schema.Table) -> None:
    """Bring an older table up to the schema; its files stay as they are."""
    delta = snapshot(workspace, table)._table
    if delta is None:
        return
    known = {field.name for field in delta.schema().fields}
    missing = [field for field in _delta_schema(table).fields if field.name not in known]
    if missing:
        delta.alter.add_columns(missing)
        sync_folders([Path(workspace.table_uri(table.name)) / "_delta_log"])


class _Added(msgspec.Struct, rename="camel"):
    """A file as Delta's log describes it."""

    path: str
    partition_values: dict[str, str | None]
    size: int
    modification_time: int
    stats: str
    data_change: bool


class _Removed(msgspec.Struct, rename="camel"):
    """A file that is no part of the table any more; it may still be on the disk."""

    data_change: bool


class _Entry(msgspec.Struct):
    add: _Added | None = None
    remove: _Removed | None = None


class _Counted(msgspec.Struct, rename="camel"):
    num_records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """One commit. `gone` are files whose rows are in `rows`, and nothing else is."""

    rows: object = field(kw_only=False)
    mode: Literal["append", "overwrite"] = "append"
    txn: Mapping[str, int] = field(default_factory=dict)
    gone: Sequence[str] = ()
    check: Check | None = None
    step: Callable[[str], None] = no_step


def _apply(workspace: Workspace, table: schema.Table, change: _Change) -> int:
    with workspace.lock():
        create(workspace, table)
        sweep(workspace)
        if change.mode == "append" and _repeats(snapshot(workspace, table), change.txn):
            return 0
        stage = _Stage(workspace, table, workspace.tables / ".staging" / uuid.uuid4().hex)
        try:
            return stage.commit(change)
        except BaseException as error:  # an interrupt, or a panic of the writer, leaves no trace
            sweep(workspace)
            if is_disk_full(error):
                raise DiskFull(str(workspace.root)) from error
            raise


@dataclass(frozen=True, slots=True)
class _Stage:
    """A small Delta table of its own, whose files then move into the real one."""

    workspace: Workspace
    table: schema.Table
    folder: Path

    def commit(self, change: _Change) -> int:
        added = self._write(change.rows)
        if change.check:
            change.check([str(self.folder / each.path) for each in added])
        if change.mode == "append" and not added and not change.txn:
            shutil.rmtree(self.folder)
            return 0  # nothing to say, so nothing is said: an empty commit is a version for nobody
        change.step("staged")
        for each in added:
            sync_file(self.folder / each.path)
        change.step("synced")
        self._move(added)
        change.step("moved")
        self._log(added, change)
        change.step("committed")
        shutil.rmtree(self.folder)
        change.step("cleaned")
        return sum(msgspec.json.decode(each.stats, type=_Counted).num_records for each in added)

    def _write(self, rows: object) -> list[_Added]:
        from deltalake import DeltaTable, write_deltalake

        self.folder.mkdir(parents=True)
        (self.folder / "table").write_text(self.table.name, encoding="utf-8")
        write_deltalake(
            self.folder,
            cast("Any", rows),
            mode="append",
            partition_by=[schema.PARTITION],
            configuration=_configuration(self.table),
            writer_properties=_parquet(self.table),
        )
        _known_columns(self.table, DeltaTable(self.folder).schema())
        return _staged(self.folder)

    def _move(self, added: list[_Added]) -> None:
        home = Path(self.workspace.table_uri(self.table.name))
        for each in added:
            (home / each.path).parent.mkdir(exist_ok=True)
            (self.folder / each.path).rename(home / each.path)
        sync_folders([home, *((home / each.path).parent for each in added)])

    def _log(self, added: list[_Added], change: _Change) -> None:
        from deltalake import CommitProperties, DeltaTable, Transaction

        delta = DeltaTable(self.workspace.table_uri(self.table.name))
        transactions = [Transaction(app, version) for app, version in change.txn.items()]
        delta.create_write_transaction(
            [*_additions(added, change), *_removals(self.workspace, self.table, change)],
            change.mode,
            delta.schema(),
            [schema.PARTITION],
            commit_properties=CommitProperties(app_transactions=transactions),
        )
        log = Path(self.workspace.table_uri(self.table.name)) / "_delta_log"
        for entry in log.iterdir():
            if entry.is_file() and _version(entry) > delta.version():
                sync_file(entry)
        sync_folders([log])


def _additions(added: list[_Added], change: _Change) -> list[AddAction]:
    from deltalake.transaction import AddAction

    return [
        AddAction(
            each.path,
            each.size,
            each.partition_values,
            each.modification_time,
            data_change=not change.gone,
            stats=each.stats,
        )
        for each in added
    ]


def _removals(workspace: Workspace, table: schema.Table, change: _Change) -> list[RemoveAction]:
    from deltalake.transaction import RemoveAction

    home = Path(workspace.table_uri(table.name))
    return [
        RemoveAction(
            str(Path(each).relative_to(home)),
            False,  # noqa: FBT003  the rows stay the same
            int(time.time() * 1000),
            Path(each).stat().st_size,
            {schema.PARTITION: Path(each).parent.name.partition("=")[2]},
        )
        for each in change.gone
    ]


def _repeats(before: Snapshot, txn: Mapping[str, int]) -> bool:
    """Whether these rows are there already: Delta's log does not refuse a repeat by itself."""
    known = {app: before.transaction(app) for app in txn}
    passed = [app for app, seen in known.items() if seen is not None and seen >= txn[app]]
    if passed and len(passed) < len(txn):
        raise Defect(f"Rows of {sorted(passed)} are stored already, those beside them are not.")
    return bool(passed)


def _forget(workspace: Workspace, table: str, stage: Path) -> None:
    """Unlink the files that a stage moved into its table but never committed."""
    from deltalake import DeltaTable

    home = Path(workspace.table_uri(table))
    moved = [home / each.path for each in _staged(stage) if (home / each.path).exists()]
    committed = set(_paths(DeltaTable(home))) if moved else set()
    for file in moved:
        if str(file) not in committed:
            file.unlink()


def _staged(stage: Path) -> list[_Added]:
    logs = sorted((stage / "_delta_log").glob("*.json"))
    return [each.add for log in logs for each in _entries(log) if each.add is not None]


def _entries(log: Path) -> list[_Entry]:
    return msgspec.json.Decoder(_Entry).decode_lines(log.read_bytes())


def _paths(delta: DeltaTable) -> list[str]:
    """Delta answers local files as parts of a URL."""
    return [unquote(uri) for uri in delta.file_uris()]


def _version(entry: Path) -> int:
    digits = entry.name.split(".")[0]
    return int(digits) if digits.isdigit() else -1


def _configuration(table: schema.Table) -> dict[str, str | None]:
    # The log lists min and max for these only: all columns of every file make it slow to open.
    named = [name for name in ("id", "time", "slot") if name in table.names]
    return {"delta.dataSkippingStatsColumns": ",".join(named)}


def _parquet(table: schema.Table) -> WriterProperties:
    """How files are encoded. Measured on 23 columns: a fifth less time than the defaults."""
    from deltalake import ColumnProperties, WriterProperties

    # Nearly every value is another one, so a dictionary is work that is thrown away.
    unlike = ColumnProperties(dictionary_enabled=False, statistics_enabled="CHUNK")
    names = {c.name for c in table.columns if c.sql.startswith(("DECIMAL", "TIMESTAMP"))}
    names |= {"id", "response_id", "trace_id", "request_hash"} & set(table.names)
    return WriterProperties(
        compression="ZSTD",
        default_column_properties=ColumnProperties(statistics_enabled="CHUNK"),
        column_properties=dict.fromkeys(sorted(names), unlike),
    )


def _known_columns(table: schema.Table, found: Schema) -> None:
    wanted = {(each.name, str(each.type)) for each in _delta_schema(table).fields}
    odd = {(each.name, str(each.type)) for each in found.fields} - wanted
    if odd:
        raise Defect(f"Rows for {table.name} have columns that it does not: {sorted(odd)}.")


def _delta_schema(table: schema.Table) -> Schema:
    from deltalake import Field, Schema

    columns = [Field(each.name, _delta_type(each.sql)) for each in table.columns]
    return Schema([*columns, Field(schema.PARTITION, _delta_type("DATE"))])


def _delta_type(sql: str) -> Any:
    from deltalake.schema import PrimitiveType

    names = {"VARCHAR": "string", "BIGINT": "long", "BOOLEAN": "boolean", "DATE": "date"}
    return PrimitiveType(names.get(sql, "timestamp" if sql == "TIMESTAMPTZ" else sql.lower()))
