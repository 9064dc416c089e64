"""Take sources into the ledger: check → allocate → price → identify → store. Read this first.

    find files → recognise the format → importer → drafts           files, recognise, spool
      → checked      typed columns, or a reason for quarantine      checks, quarantine
      → allocated    owners filled in by rule                       allocate
      → bucketed     tokens in buckets that never overlap           buckets
      → priced       a join with the book's integer rates           pricing
      → identified   an id from what the source said                identity
      → new          what the ledger lacks, or says less of         identity, supersede
      → stored       one Delta commit a file, whole or not at all   stored, table

Everything between importer and table is one DuckDB query that streams: rows never become Python
objects, and a file larger than memory is fine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from farthing.config import Settings
from farthing.domain.errors import BadInput
from farthing.ledger import (
    accounts,
    allocate,
    checks,
    currencies,
    engine,
    identity,
    price_table,
    pricing,
    quarantine,
    scan,
    schema,
    sql,
    supersede,
    table,
)
from farthing.ledger.buckets import bucketed
from farthing.ledger.draft import Problem
from farthing.ledger.faults import reading
from farthing.ledger.files import File, decoding, find
from farthing.ledger.importer import Importer, Options, Query
from farthing.ledger.recognise import importer_for
from farthing.ledger.spool import drafts_of
from farthing.ledger.stored import NOT_CLEAN, UNCOUNTED, Finish
from farthing.ledger.survey import SAMPLE_ROWS, detail_units, span, survey
from farthing.ledger.watch import watching
from farthing.ledger.workspace import Workspace
from farthing.prices.book import Book
from farthing.prices.rate import UNPRICED_UNITS

SHOWN_PROBLEMS = 5


@dataclass(slots=True)
class Summary:
    """What an import did. `rows` = added + duplicates + quarantined."""

    rows: int = 0
    added: int = 0  # `corrected` of them said more of a row that was there, and replaced it
    corrected: int = 0
    duplicates: int = 0
    quarantined: int = 0
    unpriced: int = 0
    uncounted: int = 0  # of them, calls of which no source says what they used
    unpriced_units: int = 0  # rows that have a price, but counted something that has none
    cost_usd: Decimal = Decimal(0)
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)  # the first few, for people
    quarantine: list[Path] = field(default_factory=list)
    unpriced_models: set[str] = field(default_factory=set)
    refused: list[BadInput] = field(default_factory=list)  # files that could not be read at all


@dataclass(frozen=True, slots=True)
class Rim:
    """What an import needs from outside: the importers, the clock, somebody who watches."""

    importers: Sequence[Importer]
    now: Callable[[], datetime]
    # Told with a file's name, its rows (estimated) and the share that is done.
    progress: Callable[[str, int, float], None] = lambda _name, _rows, _share: None


def import_files(
    workspace: Workspace,
    settings: Settings,
    rim: Rim,
    names: Sequence[str],
    options: Options | None = None,
    *,
    kind: str | None = None,
) -> Summary:
    """Import files, folders, globs or `-`. `kind` forces one importer by its name.

    A file that cannot be read is refused and listed; the others are imported. Raises BadInput
    where a name finds nothing, Unavailable where another process is writing.
    """
    summary, started = Summary(), time.monotonic()
    options = options or Options(timezone=settings.timezone)
    with TemporaryDirectory(prefix="farthing-") as spool, workspace.lock():
        book = Book.load(workspace.root)
        for file in find(names, Path(spool)):
            try:
                with (
                    decoding(file.name),
                    reading(file.name, workspace),
                    _connection(workspace, settings, options) as c,
                ):
                    file.refuse_damaged()
                    # Who maps columns says that it is a log.
                    otherwise = "log" if options.columns else None
                    importer = importer_for(file, rim.importers, kind, otherwise)
                    query, problems = drafts_of(importer, file, options, Path(spool))
                    one = _Import(workspace, settings, rim, options, book, file, c, summary)
                    with watching(c, partial(rim.progress, file.name, file.rows)):
                        one.take_in(importer.name, query, problems)
            except BadInput as error:
                summary.refused.append(error)
            rim.progress(file.name, 0, 1.0)
    summary.seconds = round(time.monotonic() - started, 3)
    return summary


@dataclass(frozen=True, slots=True)
class _New:
    """SQL for the rows that the ledger lacks, and for its rows that have `grown` meanwhile."""

    rows: str
    grown: Callable[[Finish], str] | None = None


class _NotClean(Exception):
    """The fast path met a row that needs the thorough one; nothing was stored."""


@dataclass(slots=True)
class _Import:
    """One file on its way in."""

    workspace: Workspace
    settings: Settings
    rim: Rim
    options: Options
    book: Book
    file: File
    connection: duckdb.DuckDBPyConnection
    summary: Summary

    def take_in(self, source: str, query: Query, problems: list[Problem]) -> None:
        relation = self.connection.sql(query.sql)
        types = dict(zip(relation.columns, map(str, relation.types), strict=True))
        self.summary.notes += query.notes
        currencies.load(self.connection, self.settings)
        if problems or not self._fast(source, query, types):
            self._thorough(source, query, types, problems)

    def _fast(self, source: str, query: Query, types: Mapping[str, str]) -> bool:
        """Store a clean source in one pass; False, and nothing stored, where it is not clean.

        Prices and grain come from the first rows. Whether the rest is like them, and nothing
        repeats, is looked up in the written files before they are committed.
        """
        rows = self._prepared(query.sql, types, epochs=False)
        present = frozenset(types) | self._said
        sample = self._prepared(
            f"SELECT * FROM ({query.sql}) LIMIT {SAMPLE_ROWS}", types, epochs=False
        )
        seen = survey(self.connection, sample, present)
        if seen.bad or len(seen.grains) != 1 or detail_units(self.connection, sample, present):
            return False
        (grain,) = seen.grains
        into = schema.CALLS if grain == "call" else schema.CHARGES
        rates = pricing.load(self.connection, self.book, seen.keys, ())
        identified = identity.identified(self._priced(rows, rates, into), source, present)
        count, new = None, _New(identified)
        if identity.is_known(into, self.connection):
            reach = span(self.connection, rows, present)
            if reach.repeats:
                return False
            count = reach.rows
            new = self._unknown(identified, source, into, (reach.since, reach.until), present)
        quarantine.rejects(self.connection)
        try:
            added = self._store(source, into, new, rates, types, marked=True)
        except (_NotClean, duckdb.OutOfRangeException, duckdb.ConversionException):
            quarantine.rejects(self.connection)
            return False
        rejected = quarantine.rejects(self.connection)
        self.summary.rows += (added if count is None else count) + len(rejected)
        self.summary.duplicates += 0 if count is None else count - added
        self._put_aside(rejected)
        return True

    def _thorough(
        self, source: str, query: Query, types: Mapping[str, str], problems: list[Problem]
    ) -> None:
        """Store a source that has bad rows, repeats, several grains or odd times."""
        present = frozenset(types) | self._said
        rows = self._prepared(query.sql, types, epochs=True)
        seen = survey(self.connection, rows, present)
        rejected = quarantine.rejects(self.connection)
        bad = quarantine.bad_rows(self.connection, self.file, query, rows) if seen.bad else []
        units = detail_units(self.connection, rows, present)
        rates = pricing.load(self.connection, self.book, seen.keys, units)
        stored = 0
        for grain in sorted(seen.grains):
            into = schema.CALLS if grain == "call" else schema.CHARGES
            good = seen.good(rows, grain)
            identified = identity.identified(self._priced(good, rates, into), source, present)
            identified = identity.numbered(identified, good, present, self.connection)
            new = _New(identified)
            if identity.is_known(into, self.connection):
                new = self._unknown(identified, source, into, (seen.since, seen.until), present)
            stored += self._store(source, into, new, rates, types, marked=False)
        self.summary.rows += seen.rows + len(problems) + len(rejected)
        self.summary.duplicates += seen.rows - seen.bad - stored
        self._put_aside([*problems, *rejected, *bad])

    def _prepared(self, query: str, types: Mapping[str, str], *, epochs: bool) -> str:
        defaults = checks.Defaults(
            now=self.rim.now(),
            provider=self.options.provider,
            model=self.options.model,
            account=self.options.account,
            date=self.options.date,
            epochs=epochs,
        )
        rows = checks.checked(query, types, defaults)
        rows = accounts.booked(rows, self.settings.providers)
        rows = allocate.allocated(rows, self.settings.allocate)
        contracts = pricing.covering_contracts(self.book.contracts)
        return f"SELECT *, {contracts} AS contracts FROM ({bucketed(rows)})"

    def _priced(self, rows: str, rates: pricing.Rates, into: schema.Table) -> str:
        return pricing.priced(pricing.keyed(rows), rates, large=into is schema.CHARGES)

    def _unknown(
        self,
        rows: str,
        source: str,
        into: schema.Table,
        reach: tuple[str | None, str | None],
        present: frozenset[str],
    ) -> _New:
        """Of identified rows what the ledger does not know yet, by the days that they reach."""
        unknown = identity.unknown(rows, source, into, *reach)
        if into is schema.CALLS or not supersede.can_grow(present):
            return _New(unknown)
        now = self.rim.now()
        return _New(unknown, lambda end: supersede.grown(end.charges(rows), *reach, now))

    def _store(
        self,
        source: str,
        into: schema.Table,
        new: _New,
        rates: pricing.Rates,
        types: Mapping[str, str],
        *,
        marked: bool,
    ) -> int:
        """Add what is new, and what replaces rows that are there; answers how many those are."""
        finish = Finish(
            source,
            frozenset(types) | self._filled(),
            price_flags=rates.flagged,
            marked=marked,
        )
        query = finish.calls(new.rows) if into is schema.CALLS else finish.charges(new.rows)
        if new.grown:
            query = f"({query}) UNION ALL BY NAME ({new.grown(finish)})"
        price_table.remember(self.workspace, self.connection, rates.distinct, self.rim.now())
        before = set(table.files(self.workspace, into))
        check = self._refuse_unclean if marked else None
        written = table.append(self.workspace, into, self.connection.sql(query), check=check)
        if not written:
            return 0
        files = set(table.files(self.workspace, into)) - before
        corrected = _count(into, files, self.connection, self.summary)
        added = written - corrected  # a correction is two rows
        self.summary.added += added
        self.summary.corrected += corrected
        return added

    @property
    def _said(self) -> frozenset[str]:
        """The columns that keep what the source said where settings fill it."""
        return allocate.keeps(self.settings.allocate) | accounts.keeps(self.settings.providers)

    def _filled(self) -> frozenset[str]:
        """The fields that options and rules may fill where the source has none."""
        options = ("provider", "model", "account")
        given = {name for name in options if getattr(self.options, name) is not None}
        given |= {"account"} if accounts.keeps(self.settings.providers) else set()
        return frozenset(given.union(*(rule.sets for rule in self.settings.allocate)))

    def _refuse_unclean(self, files: list[str]) -> None:
        if not files:
            return
        listed = ", ".join(sql.text(file) for file in files)
        found = self.connection.execute(f"""
            SELECT count(*) - count(DISTINCT hash(id, revision)),
                   count(*) FILTER (flags = '{NOT_CLEAN}')
            FROM read_parquet([{listed}])""").fetchall()
        if found != [(0, 0)]:
            raise _NotClean

    def _put_aside(self, problems: list[Problem]) -> None:
        if not problems:
            return
        self.summary.quarantined += len(problems)
        self.summary.quarantine.append(
            quarantine.write(self.workspace, self.file, problems, self.rim.now())
        )
        self.summary.problems += [
            f"{self.file.name}:{problem.line}: {problem.field}: {problem.reason}"
            for problem in problems[: max(0, SHOWN_PROBLEMS - len(self.summary.problems))]
        ]


def _connection(
    workspace: Workspace, settings: Settings, options: Options
) -> duckdb.DuckDBPyConnection:
    connection = engine.connect(workspace, memory=settings.memory)
    # Rows may come in any order, so that all cores can work; times without an offset are local.
    connection.execute("SET preserve_insertion_order = false")
    # Nobody knows how many rows a CSV has, and DuckDB guesses few: it would hold the source in
    # memory and stream the ledger past it. What is joined to a source is always the smaller side.
    connection.execute("SET disabled_optimizers = 'build_side_probe_side'")
    connection.execute(f"SET TimeZone = {sql.text(options.timezone)}")
    return connection


def _count(
    into: schema.Table,
    files: set[str],
    connection: duckdb.DuckDBPyConnection,
    summary: Summary,
) -> int:
    """Read back what was committed: the summary tells what is stored, not what was meant.

    Answers how many of the rows correct another.
    """
    stored = scan.read_files(into, sorted(files))
    unpriced, uncounted, in_part = (
        f"(revision % 2 = 0 AND list_contains(string_split(flags, ','), '{flag}'))"
        for flag in ("unpriced", UNCOUNTED, UNPRICED_UNITS)
    )
    [(cost, without, unknown, partly, corrected)] = connection.execute(f"""
        SELECT coalesce(sum(effective_usd), 0), count(*) FILTER ({unpriced}),
               count(*) FILTER ({uncounted}), count(*) FILTER ({in_part}),
               count(*) FILTER (revision % 2 = 1)
        FROM ({stored})""").fetchall()
    summary.cost_usd += cost
    summary.unpriced += without
    summary.uncounted += unknown
    summary.unpriced_units += partly
    if without > unknown:
        models = connection.execute(f"""
            SELECT DISTINCT coalesce(model, '(no model)') FROM ({stored})
            WHERE {unpriced} AND NOT coalesce({uncounted}, false) LIMIT 20""").fetchall()
        summary.unpriced_models |= {model for (model,) in models}
    return int(corrected)
