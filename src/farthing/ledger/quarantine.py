"""Put aside what cannot be accepted: a file of (line, field, reason), and nothing is lost.

One NDJSON file an import, under `quarantine/` in the workspace. Mend the source and import it
again: rows that were accepted before count as duplicates.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import duckdb
import msgspec

from farthing.ledger.draft import Problem
from farthing.ledger.files import File
from farthing.ledger.importer import Query
from farthing.ledger.workspace import Workspace

_MOST_REJECTS = 1_000_000
_LONGEST_REASON = 200
_LONGEST_CELL = 2**31 - 1  # prompts in a cell exceed the csv module's 128 KiB


class Rejected(msgspec.Struct, omit_defaults=True):
    """A line of the quarantine file."""

    file: str
    line: int
    field: str
    reason: str


def write(workspace: Workspace, file: File, problems: Iterable[Problem], now: datetime) -> Path:
    """Write all problems of one file, whole or not at all; return where."""
    stem = file.path.name.replace(" ", "_")
    target = workspace.quarantine / f"{now:%Y%m%dT%H%M%S%f}-{stem}.ndjson"
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(".part")
    with draft.open("wb") as out:
        for problem in problems:
            line = Rejected(file.name, problem.line, problem.field, problem.reason)
            out.write(msgspec.json.encode(line) + b"\n")
        out.flush()
        os.fsync(out.fileno())
    return draft.replace(target)


def bad_rows(
    connection: duckdb.DuckDBPyConnection, file: File, query: Query, rows: str
) -> list[Problem]:
    """The rows of a checked query that have a reason, with the line they stand on."""
    connection.execute("SET preserve_insertion_order = true")
    found = connection.execute(
        f"SELECT line, reason FROM ({rows}) WHERE reason IS NOT NULL"
    ).fetchall()
    connection.execute("SET preserve_insertion_order = false")
    lines = _physical(file, query, [line for line, _ in found])
    return [_problem(lines.get(line, line or 0), reason, query.columns) for line, reason in found]


def rejects(connection: duckdb.DuckDBPyConnection) -> list[Problem]:
    """Lines that DuckDB's CSV reader could not split, since the last time it was asked."""
    there = connection.execute(
        "SELECT 1 FROM duckdb_tables() WHERE table_name = 'reject_errors'"
    ).fetchall()
    if not there:
        return []
    found = connection.execute(
        f"""SELECT DISTINCT ON (line) line, coalesce(column_name, 'line'), error_message
            FROM reject_errors ORDER BY line LIMIT {_MOST_REJECTS}"""
    ).fetchall()
    connection.execute("DELETE FROM reject_errors")
    connection.execute("DELETE FROM reject_scans")
    return [Problem(line, field, reason.splitlines()[0]) for line, field, reason in found]


def _problem(line: int, reason: str, columns: Mapping[str, str]) -> Problem:
    field, _, why = reason.partition(": ")
    return Problem(line, columns.get(field, field), _short(why))


def _short(why: str) -> str:
    """A reason quotes the value that is wrong, and that may be a whole document."""
    half = _LONGEST_REASON // 2
    return why if len(why) <= _LONGEST_REASON else f"{why[:half]} … {why[-half:]}"


def _physical(file: File, query: Query, records: Sequence[int]) -> dict[int, int]:
    """Where CSV records stand when some span several lines; the record's number otherwise."""
    if not query.delimiter:
        return {}
    wanted = set(records)
    csv.field_size_limit(_LONGEST_CELL)
    # DuckDB counts records after the header; a quoted line break moves all that follow.
    with file.open() as raw:
        text = io.TextIOWrapper(raw, "utf-8-sig", errors="replace", newline="")
        reader = csv.reader(text, delimiter=query.delimiter)
        header = next(reader, [])
        lines: dict[int, int] = {}
        number, before = 0, reader.line_num
        for row in reader:
            # Rows of another length were rejected before records were counted.
            number += len(row) == len(header)
            if number in wanted and number not in lines:
                lines[number] = before + 1
                if len(lines) == len(wanted):
                    break
            before = reader.line_num
    return lines
