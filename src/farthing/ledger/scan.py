"""Read a table's files, and nothing but them, in DuckDB."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from farthing.ledger import schema, sql

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def bare(*, threads: int | None = None, memory: str = "900MB") -> DuckDBPyConnection:
    """An in-memory DuckDB without views."""
    import duckdb

    con = duckdb.connect(
        config={
            "memory_limit": memory,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            # DuckDB makes this folder when it must spill, and removes it in the end.
            "temp_directory": str(Path(tempfile.gettempdir()) / f"farthing-{uuid.uuid4().hex}"),
            **({} if threads is None else {"threads": threads}),
        }
    )
    con.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    return con


def read_files(stored: schema.Table, files: Sequence[str]) -> str:
    """SQL for a table's rows in these files, in stored order, the day last."""
    if not files:
        return stored.empty()
    day = schema.PARTITION
    source = (
        f"read_parquet({paths_list(files)}, hive_partitioning = true, "
        f"hive_types = {{'{day}': DATE}}, union_by_name = true)"
    )
    columns = f"{', '.join(stored.names)}, {day}"
    # Files leave out columns that are all NULL, or newer: the empty row set names every one.
    return f"SELECT {columns} FROM ({stored.empty()} UNION ALL BY NAME SELECT * FROM {source})"


def paths_list(paths: Iterable[Path | str]) -> str:
    """SQL for a list of files, spelled so that DuckDB sees no wildcards in their names."""
    return "[" + ", ".join(sql.text(_no_glob(str(path))) for path in paths) + "]"


def _no_glob(path: str) -> str:
    return "".join(f"[{char}]" if char in "*?[" else char for char in path)
