"""Hand an importer's rows to DuckDB: its own SQL as it is, Python rows through a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from farthing.ledger import sql
from farthing.ledger.draft import Draft, Problem
from farthing.ledger.importer import Importer, Options, Query, Source


def drafts_of(
    importer: Importer, file: Source, options: Options, spool: Path
) -> tuple[Query, list[Problem]]:
    """A query over the source's rows, and those that could not be translated.

    `spool` is a folder that lasts as long as the query is used.
    """
    found = importer.read(file, options)
    if isinstance(found, Query):
        return found, []
    return _spooled(found, spool / "drafts.ndjson")


def _spooled(drafts: Iterator[Draft | Problem], target: Path) -> tuple[Query, list[Problem]]:
    """Write Python rows as NDJSON for DuckDB; money and counts stay text."""
    encoder = msgspec.json.Encoder(order="sorted", decimal_format="string")
    problems: list[Problem] = []
    with target.open("wb") as file:
        for draft in drafts:
            if isinstance(draft, Problem):
                problems.append(draft)
            else:
                file.write(encoder.encode(draft) + b"\n")
    columns = ", ".join(
        f"{name}: '{'BIGINT' if name == 'line' else 'VARCHAR'}'" for name in Draft.__struct_fields__
    )
    return Query(
        # grain has a default, so omit_defaults leaves it out.
        f"""SELECT * REPLACE (coalesce(grain, 'call') AS grain)
            FROM read_json({sql.text(str(target))}, format='newline_delimited',
                           columns={{{columns}}})"""
    ), problems
