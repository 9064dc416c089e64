"""Read CSV, JSON lines and Parquet as one thing: a relation in DuckDB with named text columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec

from farthing.domain.errors import BadInput
from farthing.ledger import sql
from farthing.ledger.files import HEAD_BYTES
from farthing.ledger.importer import Source

SAMPLE_ROWS = 200


@dataclass(frozen=True, slots=True)
class Tabular:
    """Where DuckDB reads the rows, and SQL for each column's value.

    `line` and, for JSON, `unreadable` are among `extra`, to be selected as they are.
    """

    relation: str
    columns: Mapping[str, str]
    sample: Mapping[str, Sequence[str]]
    extra: tuple[str, ...] = ()
    delimiter: str | None = None


def tabular(source: Source) -> Tabular | None:
    """The table in a file; None where it is none. Raises BadInput for a damaged one."""
    head = source.head
    if head.startswith(b"PAR1"):
        return _parquet(source)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return _json_lines(source)
    return None if head.lstrip().startswith(b"[") else _csv(source)


def member(name: str, value: str) -> str:
    """SQL for one `"name":"value"` of a JSON object; NULL where the value is."""
    key = sql.text(msgspec.json.encode(name).decode() + ":")
    return f"CASE WHEN {value} IS NOT NULL THEN {key} || to_json({value}::VARCHAR) END"


def _csv(source: Source) -> Tabular | None:
    text = source.head.decode("utf-8-sig", errors="replace")
    header = text.partition("\n")[0]
    delimiter = max(",;\t|", key=header.count)
    rows = _first_rows(source, text, delimiter)
    if not rows or len(rows[0]) < 2:  # noqa: PLR2004  one column is no table
        return None
    names = [name.strip() for name in rows[0]]
    # DuckDB's names have no case.
    if len({name.casefold() for name in names}) < len(names) or not all(names):
        raise BadInput(
            f"{source.name}:1", "the header has empty or repeated names", "Name each column."
        )
    spec = ", ".join(f"{sql.text(name)}: 'VARCHAR'" for name in names)
    whole = rows[1:-1] if len(source.head) >= HEAD_BYTES else rows[1:]
    # Rejected lines are kept by DuckDB in reject_errors; quarantine.py collects them.
    return Tabular(
        f"""read_csv({sql.text(str(source.path))}, columns={{{spec}}}, header=true,
            delim={sql.text(delimiter)}, quote='"', escape='"', auto_detect=false,
            compression='{_compression(source)}', store_rejects=true, rejects_limit=0,
            null_padding=false, strict_mode=true)""",
        {name: sql.name(name) for name in names},
        {
            name: [row[index] for row in whole if index < len(row)]
            for index, name in enumerate(names)
        },
        ("row_number() OVER () AS line",),
        delimiter,
    )


def _first_rows(source: Source, text: str, delimiter: str) -> list[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        return list(islice(reader, SAMPLE_ROWS + 1))
    except csv.Error as error:
        raise BadInput(
            f"{source.name}:{reader.line_num}",
            f"the CSV cannot be read ({error})",
            "Export it again.",
        ) from error


def _json_lines(source: Source) -> Tabular | None:
    sample: dict[str, list[str]] = {}
    for line in islice(source.head.decode("utf-8-sig", "replace").splitlines(), SAMPLE_ROWS):
        try:
            record = msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError):
            continue
        if isinstance(record, dict):
            for path, value in _leaves(record):
                sample.setdefault(path, []).append(str(value))
    if not sample:
        return None
    lines = f"""(SELECT *, json_valid(j) AS readable FROM (SELECT row_number() OVER () AS line, j
        FROM read_csv({sql.text(str(source.path))}, columns={{'j': 'VARCHAR'}}, header=false,
            delim='\x01', quote='', escape='', auto_detect=false, max_line_size=16777216,
            compression='{_compression(source)}')) WHERE trim(j) <> '')"""
    unreadable = "CASE WHEN NOT readable THEN 'line: not valid JSON' END AS unreadable"
    return Tabular(
        lines,
        {path: _json_path(path) for path in sample},
        sample,
        ("line", unreadable),
    )


def _leaves(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in record.items():
        if isinstance(value, dict) and key not in ("tags", "labels", "metadata"):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _json_path(path: str) -> str:
    # A key may itself hold dots (gen_ai.usage.input_tokens), so try it whole first.
    whole = sql.text("$." + sql.name(path))
    nested = sql.text("$." + ".".join(sql.name(part) for part in path.split(".")))
    readable = "CASE WHEN readable THEN j END"
    if whole == nested:
        return f"json_extract_string({readable}, {whole})"
    return (
        f"coalesce(json_extract_string({readable}, {whole}),"
        f" json_extract_string({readable}, {nested}))"
    )


def _parquet(source: Source) -> Tabular:
    import duckdb

    relation = f"read_parquet({sql.text(str(source.path))}, file_row_number=true)"
    with duckdb.connect() as connection:
        try:
            described = connection.sql(f"SELECT * FROM {relation}")
        except duckdb.Error as error:
            raise BadInput(
                source.name, "not a readable Parquet file", "Export it again."
            ) from error
        columns = dict(
            leaf
            for name, kind in zip(described.columns, described.types, strict=True)
            for leaf in _fields_of(name, sql.name(name), kind)
            if name != "file_row_number"
        )
        listed = ", ".join(f"{value}::VARCHAR" for value in columns.values())
        rows = connection.sql(f"SELECT {listed} FROM {relation} LIMIT {SAMPLE_ROWS}").fetchall()
    sample = {name: [str(row[i]) for row in rows if row[i]] for i, name in enumerate(columns)}
    return Tabular(relation, columns, sample, ("file_row_number + 1 AS line",))


def _fields_of(name: str, value: str, kind: Any) -> Iterator[tuple[str, str]]:
    if kind.id != "struct" or name in ("tags", "labels", "metadata"):
        yield name, f"to_json({value})" if kind.id in ("struct", "map") else value
        return
    for child, inner in kind.children:
        yield from _fields_of(f"{name}.{child}", f"{value}.{sql.name(child)}", inner)


def _compression(source: Source) -> str:
    with source.path.open("rb") as raw:
        magic = raw.read(4)
    if magic.startswith(b"\x1f\x8b"):
        return "gzip"
    return "zstd" if magic == b"\x28\xb5\x2f\xfd" else "none"
