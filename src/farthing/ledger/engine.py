"""Read the ledger as it is now: views over the tables' files and the journal's tail."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import msgspec

from farthing.domain.call import Call
from farthing.domain.errors import BadInput, Refused, Unavailable
from farthing.ledger import journal, rollup, scan, schema, sql, table
from farthing.ledger.journal import Segment
from farthing.ledger.workspace import Workspace

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Mark = tuple[int, int]  # a segment, and how many of its bytes
# A compactor moves a segment away now and then; to lose this race so often is an error.
_TRIES = 20


def connect(
    workspace: Workspace, *, threads: int | None = None, memory: str = "900MB"
) -> DuckDBPyConnection:
    """An in-memory DuckDB with the views `calls`, `charges` and `rollup`, as of now.

    The views hold still: `attach` again to see what was written since.
    """
    con = scan.bare(threads=threads, memory=memory)
    attach(con, workspace)
    return con


def attach(con: DuckDBPyConnection, workspace: Workspace) -> dict[str, Mark]:
    """Make the views again, as of now; answers how far they have each set of the journal.

    A row lies in the journal until the table has it, never in neither: so list the segments
    first, open the table next, and leave out the segments that it has. A listed segment that is
    gone when it is read was moved meanwhile: start again. The rollup is opened before the
    tables, so that it never covers more than they have.
    """
    for _ in range(_TRIES):
        listed = journal.segments(workspace)
        summed = table.snapshot(workspace, rollup.ROLLUP)
        calls = table.snapshot(workspace, schema.CALLS)
        view_stored(con, workspace, calls)
        passed = {each.set: (calls.transaction(each.app) or 0) + 1 for each in listed}
        read = _tail(con, workspace, pending(listed, calls))
        if read is not None:
            break
    else:
        raise Unavailable(f"The journal of {workspace.root} moves faster than it can be read.")
    charges = table.snapshot(workspace, schema.CHARGES)
    _view(con, "calls", "SELECT * FROM stored_calls UNION ALL SELECT * FROM journal_tail")
    _view(con, "charges", scan.read_files(schema.CHARGES, charges.files))
    _view(con, "rollup", rollup.query(workspace, summed, calls, charges, tail="journal_tail"))
    return {name: (seq, 0) for name, seq in passed.items()} | read


def pending(listed: Iterable[Segment], calls: table.Snapshot) -> list[Segment]:
    """The segments whose rows this version of the table does not have."""
    passed = {app: calls.transaction(app) for app in {segment.app for segment in listed}}
    return [each for each in listed if each.seq > (passed[each.app] or 0)]


def load_segments(con: DuckDBPyConnection, name: str, paths: Sequence[Path]) -> None:
    """A temporary table of the settled calls in these files that `stored_calls` lacks, each once.

    Keys repeat only where something went wrong, so that is looked for before it is paid for.
    Ids rise with time: looking in the table for the few of a tail reads its last row groups.
    """
    if not paths:
        con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {schema.CALLS.empty()}")
        return
    con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {_settled(paths)}")
    key = ", ".join(schema.CALLS.key)
    repeats = f"SELECT 1 FROM {name} GROUP BY {key} HAVING count(*) > 1 LIMIT 1"
    if con.execute(repeats).fetchall():
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT DISTINCT ON ({key}) * FROM {name}"
        )
    con.execute(f"""
        DELETE FROM {name} WHERE ({key}) IN (
            SELECT ({key}) FROM stored_calls
            WHERE {schema.PARTITION} IN (SELECT DISTINCT {schema.PARTITION} FROM {name})
              AND id BETWEEN (SELECT min(id) FROM {name}) AND (SELECT max(id) FROM {name}))
    """)
    # The gateway makes its own ids; a call that an import told of first is met by its response id.
    con.execute(f"""
        DELETE FROM {name} WHERE source = 'gateway' AND response_id IS NOT NULL
          AND (provider, response_id) IN (
            SELECT (provider, response_id) FROM stored_calls
            WHERE source <> 'gateway' AND response_id IS NOT NULL
              AND {schema.PARTITION} BETWEEN (SELECT min({schema.PARTITION}) - 1 FROM {name})
                                         AND (SELECT max({schema.PARTITION}) + 1 FROM {name}))
    """)


def view_stored(con: DuckDBPyConnection, workspace: Workspace, calls: table.Snapshot) -> None:
    """The view `stored_calls`: the table alone, which `load_segments` looks into."""
    _view(con, "stored_calls", scan.read_files(schema.CALLS, calls.files))


def _tail(
    con: DuckDBPyConnection, workspace: Workspace, segments: Sequence[Segment]
) -> dict[str, Mark] | None:
    """Read the journal's tail into memory; None if a segment went away meanwhile."""
    import duckdb

    sealed = set(journal.sealed(workspace, segments))
    marks: dict[str, Mark] = {each.set: (each.seq + 1, 0) for each in sorted(sealed)}
    with TemporaryDirectory(prefix="farthing-tail-") as folder:
        try:
            paths = []
            for each in segments:
                paths.append(each.path if each in sealed else _whole_lines(each, Path(folder)))
                if each not in sealed:
                    marks[each.set] = each.seq, paths[-1].stat().st_size
            load_segments(con, "journal_tail", paths)
        except FileNotFoundError:
            return None
        except duckdb.Error as error:
            if not all(each.path.exists() for each in segments):
                return None
            raise BadInput(
                str(segments[0].path.parent.parent),
                f"a line of the journal cannot be read ({error})",
                "If its process is gone, `farthing compact` sets such lines aside.",
            ) from error
    return marks


def damaged(root: Path) -> Refused:
    """For a table whose files are gone or cut off: no command mends that."""
    return Refused(
        f"The ledger at {root} lacks a file of its tables, or one is cut off. Restore the "
        "workspace from a backup, or import its sources into a new one."
    )


def _settled(paths: Sequence[Path]) -> str:
    """SQL for the lines of settled calls; what a line leaves out has the call's default."""
    defaults = {
        field.name: field.default
        for field in msgspec.structs.fields(Call)
        if field.default not in (None, msgspec.NODEFAULT)
    }
    columns = ", ".join(
        f"coalesce({name}, {sql.literal(defaults[name])}) AS {name}" if name in defaults else name
        for name in schema.CALLS.names
    )
    return f"""
        SELECT {columns}, time::DATE AS {schema.PARTITION}
        FROM read_json({scan.paths_list(paths)}, format = 'newline_delimited', auto_detect = false,
            hive_partitioning = false, compression = 'uncompressed',
            columns = {{line: 'VARCHAR', {schema.CALLS.json_columns()[1:-1]}}})
        WHERE line = 'call'
    """


def _whole_lines(segment: Segment, folder: Path) -> Path:
    """A copy of a growing segment up to its last line end: it may be in the middle of a write."""
    copy = folder / f"{segment.set}-{segment.seq}{journal.SUFFIX}"
    written = segment.path.read_bytes()
    copy.write_bytes(written[: written.rfind(b"\n") + 1])
    return copy


def _view(con: DuckDBPyConnection, name: str, query: str) -> None:
    con.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {query}")
