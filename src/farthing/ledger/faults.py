"""Say in our words what DuckDB found wrong with a source."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from farthing.domain.errors import BadInput, Unavailable
from farthing.ledger import engine
from farthing.ledger.files import damaged
from farthing.ledger.recognise import NOT_UTF_8
from farthing.ledger.workspace import Workspace


@contextmanager
def reading(name: str, workspace: Workspace) -> Iterator[None]:
    """Name the file when it cannot be read; what is wrong with the ledger is not blamed on it."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise Unavailable(
            f"{name} needs more memory than it may use. Nothing of it was imported; raise "
            "`memory` in farthing.toml, or import it in parts."
        ) from error
    except (duckdb.OutOfRangeException, duckdb.ConversionException) as error:
        raise BadInput(
            name,
            "a count times its price is beyond a million dollars, or any number we can hold",
            "Look at the file's counts and at the [[prices]] in farthing.toml.",
        ) from error
    except (duckdb.InvalidInputException, duckdb.IOException) as error:
        if str(workspace.tables) in str(error):
            raise engine.damaged(workspace.root) from error
        raise _unread(name, str(error)) from error


def _unread(name: str, said: str) -> BadInput:
    """DuckDB's words about a source, in ours."""
    if "gzip" in said.lower() or "zstd" in said.lower():
        return damaged(name)
    line = re.search(r"on Line: (\d+)", said)
    where = f"{name}:{line[1]}" if line else name
    for mark, what, fix in _SOURCES_FAULTS:
        if mark in said:
            return BadInput(where, what, fix)
    first = said.strip().splitlines()[0]
    return BadInput(
        where, f"cannot be read: {first}", "Mend the file, or force a format with --as."
    )


_SOURCES_FAULTS = (
    ("Invalid unicode", "the text is not UTF-8", NOT_UTF_8),
    ("Maximum line size", "this line is too long for a row", "Take the line out, or shorten it."),
    (
        "invalid state",
        "quotes are not closed, or its lines end in two ways (CRLF and LF)",
        "Make them one: `sed 's/\\r$//' FILE > NEW`.",
    ),
)
