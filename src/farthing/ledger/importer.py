"""The seam for importers. One source format, one file in `importers/`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, ClassVar, Protocol

from farthing.ledger.draft import Draft, Problem


@dataclass(frozen=True, slots=True)
class Options:
    """What the user said about a source, for what it does not say itself."""

    provider: str | None = None
    model: str | None = None
    account: str | None = None
    date: str | None = None  # for rows without a time
    timezone: str = "UTC"  # for times without an offset
    columns: Mapping[str, str] = field(default_factory=dict)  # draft field → source column


@dataclass(frozen=True, slots=True)
class Query:
    """A bulk source: SQL whose columns are a subset of Draft's fields, plus `line`.

    It runs inside DuckDB and never as Python rows. Any column may be VARCHAR. `notes` tell the
    user what was guessed; `columns` are the source's names for fields, for messages about them;
    `delimiter` is set where lines are CSV records.
    """

    sql: str
    notes: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    delimiter: str | None = None


class Source(Protocol):
    """One file to import. Compression is undone by `open`; `path` is the file as it lies there."""

    @property
    def name(self) -> str: ...  # as the user wrote it, for messages

    @property
    def path(self) -> Path: ...

    @property
    def head(self) -> bytes: ...  # the first 64 KiB, decompressed

    def open(self) -> BinaryIO: ...


class Importer(Protocol):
    """Translates one source format. Exported as `IMPORTER`."""

    name: ClassVar[str]  # what `--as` takes
    title: ClassVar[str]  # what people call the format

    def recognises(self, source: Source) -> float:
        """How sure we are that this is our format, 0 to 1, from `source.head` alone."""
        ...

    def read(self, source: Source, options: Options) -> Query | Iterator[Draft | Problem]:
        """Translate. Raises BadInput where the source as a whole cannot be read."""
        ...
