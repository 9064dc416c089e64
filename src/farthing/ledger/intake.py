"""Take sources into the ledger: check → allocate → price → identify → store. Read this first.

    find files → recognise the format → importer → drafts
      → checked      typed columns, or a reason for quarantine      checks.py
      → allocated    owners filled in by rule                       allocate.py
      → priced       a join with the book's integer rates           pricing.py
      → identified   an id from what the source said                identity.py
      → new          what the ledger does not have yet
      → stored       one Delta commit a file, whole or not at all   table.py

Everything between importer and table is one DuckDB query that streams: rows never become Python
objects, and a file larger than memory is fine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import msgspec

from farthing.config import Settings
from farthing.domain.call import Call
from farthing.domain.charge import Charge
from farthing.domain.errors import BadInput
from farthing.domain.usage import BUCKETS
from farthing.ledger import (
    allocate,
    checks,
    currencies,
    engine,
    identity,
    pricing,
    quarantine,
    schema,
    sql,
    table,
)
from farthing.ledger.draft import Draft, Problem
from farthing.ledger.files import File, decoding, find
from farthing.ledger.importer import Importer, Options, Query
from farthing.ledger.price_table import remember
from farthing.ledger.recognise import importer_for
from farthing.ledger.workspace import Workspace
from farthing.prices.book import Book


@dataclass(slots=True)
class Summary:
    """What an import did. `rows` = added + duplicates + quarantined."""

    rows: int = 0
    added: int = 0
    duplicates: int = 0
    quarantined: int = 0
    unpriced: int = 0
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
    progress: Callable[[str, float], None] = lambda _name, _share: None


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
                _Import(workspace, settings, rim, file, options, book, Path(spool)).run(
                    kind, summary
                )
            except BadInput as error:
                summary.refused.append(error)
    summary.seconds = round(time.monotonic() - started, 3)
    return summary


@dataclass(frozen=True, slots=True)
class _Survey:
    """One pass over a source: what is in it, before anything is written."""

    rows: int
    bad: int
    grains: frozenset[str]
    keys: tuple[pricing.Key, ...]
    since: str | None
    until: str | None

    def good(self, rows: str, grain: str) -> str:
        """SQL: the rows of a grain that may enter. What need not be tested again is not."""
        tests = [f"grain = '{grain}'"] if len(self.grains) > 1 else []
        tests += ["reason IS NULL"] if self.bad else []
        return f"SELECT * FROM ({rows}) WHERE {' AND '.join(tests)}" if tests else rows


class _Import:
    """One file on its way in."""

    def __init__(  # noqa: PLR0913  handed over as they are
        self,
        workspace: Workspace,
        settings: Settings,
        rim: Rim,
        file: File,
        options: Options,
        book: Book,
        spool: Path,
    ) -> None:
        self.workspace, self.settings, self.rim = workspace, settings, rim
        self.file, self.options, self.book, self.spool = file, options, book, spool

    def run(self, kind: str | None, summary: Summary) -> None:
        importer = importer_for(self.file, self.rim.importers, kind)
        with engine.connect(self.workspace) as connection:
            connection.execute("SET preserve_insertion_order = false")
            connection.execute(f"SET TimeZone = {sql.text(self.options.timezone)}")
            with decoding(self.file.name), _reading(self.file.name):
                query, problems = self._drafts(importer, connection)
                self._take_in(importer.name, query, problems, connection, summary)

    def _drafts(
        self, importer: Importer, connection: duckdb.DuckDBPyConnection
    ) -> tuple[Query, list[Problem]]:
        found = importer.read(self.file, self.options)
        if isinstance(found, Query):
            return found, []
        return _spooled(found, self.spool / "drafts.ndjson")

    def _take_in(
        self,
        source: str,
        query: Query,
        problems: list[Problem],
        connection: duckdb.DuckDBPyConnection,
        summary: Summary,
    ) -> None:
        relation = connection.sql(query.sql)
        types = dict(zip(relation.columns, map(str, relation.types), strict=True))
        present = frozenset(types)
        rows = self._prepared(query.sql, types, epochs=False)
        survey = _survey(connection, rows, present)
        if survey.bad and "time" in present:
            rows = self._prepared(query.sql, types, epochs=True)
            survey = _survey(connection, rows, present)
        rejected = quarantine.rejects(connection)
        summary.notes += query.notes
        summary.rows += survey.rows + len(problems) + len(rejected)
        self._quarantine(query, rows, survey, [*problems, *rejected], connection, summary)
        if survey.rows == survey.bad:
            return
        extras = _extras(connection, rows, present)
        rates = pricing.load(connection, self.book, survey.keys, extras)
        currencies.load(connection, self.settings)
        for grain in sorted(survey.grains):
            self._store(source, grain, rows, present, rates, survey, connection, summary)

    def _prepared(self, query: str, types: dict[str, str], *, epochs: bool) -> str:
        defaults = checks.Defaults(
            now=self.rim.now(),
            provider=self.options.provider,
            model=self.options.model,
            account=self.options.account,
            date=self.options.date,
            epochs=epochs,
        )
        rows = checks.checked(query, types, defaults)
        rows = allocate.allocated(rows, self.settings.allocate)
        contracts = pricing.covering_contracts(self.book.contracts)
        return f"SELECT *, {contracts} AS contracts FROM ({_bucketed(rows)})"

    def _quarantine(
        self,
        query: Query,
        rows: str,
        survey: _Survey,
        problems: list[Problem],
        connection: duckdb.DuckDBPyConnection,
        summary: Summary,
    ) -> None:
        if survey.bad:
            problems = problems + quarantine.bad_rows(connection, self.file, query, rows)
        if not problems:
            return
        summary.quarantined += len(problems)
        summary.quarantine.append(
            quarantine.write(self.workspace, self.file, problems, self.rim.now())
        )
        summary.problems += [
            f"{self.file.name}:{problem.line}: {problem.field}: {problem.reason}"
            for problem in problems[: max(0, 5 - len(summary.problems))]
        ]

    def _store(  # noqa: PLR0913
        self,
        source: str,
        grain: str,
        rows: str,
        present: frozenset[str],
        rates: pricing.Rates,
        survey: _Survey,
        connection: duckdb.DuckDBPyConnection,
        summary: Summary,
    ) -> None:
        into = schema.CALLS if grain == "call" else schema.CHARGES
        good = survey.good(rows, grain)
        priced = pricing.priced(pricing.keyed(good), rates, large=into is schema.CHARGES)
        identified = _identified(priced, source, present, connection, good)
        new = _new(identified, into, survey, connection)
        finished = _calls(new, source) if into is schema.CALLS else _charges(new, source)
        remember(self.workspace, connection, rates.distinct, self.rim.now())
        before = set(table.files(self.workspace, into))
        added = table.append(self.workspace, into, connection.sql(finished))
        summary.added += added
        if added:
            _count(set(table.files(self.workspace, into)) - before, connection, summary)


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


class _reading:  # noqa: N801  reads as a clause: `with _reading(name)`
    """Name the file when DuckDB cannot read it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, duckdb.InvalidInputException | duckdb.IOException):
            first = str(error).strip().splitlines()[0]
            raise BadInput(
                self.name, f"cannot be read: {first}", "Mend the file, or force a format with --as."
            ) from error


def _bucketed(rows: str) -> str:
    """SQL: totals and parts as reported → the six disjoint buckets, and `suspect`."""
    parts = ("cache_read", "cache_write_short", "cache_write_long", "reasoning")
    known = ", ".join(f"coalesce({part}, 0) AS {part}" for part in parts)
    return f"""
        SELECT *, input_fresh < 0 OR output_visible < 0 AS suspect
        FROM (SELECT * REPLACE ({known},
            coalesce(input_fresh, input_total - coalesce(cache_read, 0)
                - coalesce(cache_write_short, 0) - coalesce(cache_write_long, 0), 0) AS input_fresh,
            coalesce(output_visible, output_total - coalesce(reasoning, 0), 0) AS output_visible,
            coalesce(attempt, 1) AS attempt,
            CASE grain WHEN 'call' THEN 1 ELSE coalesce(requests, 0) END AS requests)
        FROM ({rows}))"""


def _survey(connection: duckdb.DuckDBPyConnection, rows: str, present: frozenset[str]) -> _Survey:
    context = "context" if "context" in present else "NULL::VARCHAR AS context"
    groups = connection.execute(f"""
        SELECT grain, provider, model, {context}, contracts,
               count(*), count(reason), min(time)::VARCHAR, max(time)::VARCHAR
        FROM ({rows}) GROUP BY ALL""").fetchall()
    good = [group for group in groups if group[5] > group[6]]
    keys = {pricing.Key(*group[1:5]) for group in good}
    times = [when for group in good for when in group[7:9] if when is not None]
    return _Survey(
        rows=sum(group[5] for group in groups),
        bad=sum(group[6] for group in groups),
        grains=frozenset(group[0] for group in good),
        keys=tuple(sorted(keys, key=str)),
        since=min(times, default=None),
        until=max(times, default=None),
    )


def _extras(connection: duckdb.DuckDBPyConnection, rows: str, present: frozenset[str]) -> list[str]:
    if "details" not in present:
        return []
    found = connection.execute(
        f"SELECT DISTINCT unnest(json_keys(details)) FROM ({rows}) WHERE details IS NOT NULL"
    ).fetchall()
    return [unit for (unit,) in found]


def _identified(
    rows: str,
    source: str,
    present: frozenset[str],
    connection: duckdb.DuckDBPyConnection,
    good: str,
) -> str:
    """SQL: `rows` with an id. Only rows that may have an equal in the file pay for a window."""
    with_id = f"SELECT *, {identity.call_id(source, present)} AS id FROM ({rows})"
    fingerprint = identity.fingerprint(present)
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE repeated AS
        SELECT {fingerprint} AS print FROM ({good}) GROUP BY 1 HAVING count(*) > 1""")
    repeated = connection.execute("SELECT count(*) FROM repeated").fetchone()
    if repeated == (0,):
        return with_id
    ordinal = "row_number() OVER (PARTITION BY id, attempt ORDER BY line) - 1"
    own = identity.has_own_id(present)
    return f"""
        WITH every AS NOT MATERIALIZED (SELECT *, {fingerprint} AS print FROM ({with_id}))
        SELECT * EXCLUDE (print) FROM every ANTI JOIN repeated USING (print)
        UNION ALL BY NAME
        SELECT * EXCLUDE (print, ordinal)
               REPLACE (CASE WHEN ordinal > 0 THEN md5(id || ordinal) ELSE id END AS id)
        FROM (SELECT *, {ordinal} AS ordinal FROM every SEMI JOIN repeated USING (print))
        WHERE ordinal = 0 OR NOT ({own})"""


def _new(
    rows: str, into: schema.Table, survey: _Survey, connection: duckdb.DuckDBPyConnection
) -> str:
    """SQL: the rows that the ledger does not have. Looks only at the days that can match."""
    days = (
        f"day BETWEEN {sql.text(survey.since)}::TIMESTAMPTZ::DATE - 1"
        f" AND {sql.text(survey.until)}::TIMESTAMPTZ::DATE + 1"
    )
    there = f"SELECT * FROM {into.name} WHERE {days}"
    if connection.execute(f"SELECT 1 FROM ({there}) LIMIT 1").fetchone() is None:
        return rows
    key = ", ".join(column for column in into.key if column != "revision")
    fresh = f"SELECT * FROM ({rows}) ANTI JOIN (SELECT {key} FROM ({there})) USING ({key})"
    if into is not schema.CALLS:
        return fresh
    # The gateway made its own ids; the same call from another source meets it by response id.
    metered = f"SELECT provider, response_id FROM ({there}) WHERE source = 'gateway'"
    return f"SELECT * FROM ({fresh}) ANTI JOIN ({metered}) USING (provider, response_id)"


def _flags(*named: tuple[str, str]) -> str:
    """SQL for the flags column: given ones and those whose condition holds, sorted."""
    ours = ", ".join(f"CASE WHEN {test} THEN '{flag}' END" for flag, test in named)
    given = "CASE WHEN flags IS NOT NULL THEN json_extract_string(flags, '$[*]') ELSE [] END"
    every = f"list_filter(list_concat({given}, [{ours}, price_flags]), lambda f: f IS NOT NULL)"
    some = " OR ".join([f"({test})" for _, test in named])
    return f"""CASE WHEN flags IS NULL AND price_flags IS NULL AND NOT coalesce({some}, false)
                    THEN NULL
                    ELSE nullif(array_to_string(list_sort(list_distinct({every})), ','), '') END"""


def _calls(rows: str, source: str) -> str:
    nothing_sent = "attempt = 0"
    nothing_used = "status <> 'ok' AND " + " + ".join(BUCKETS) + " = 0 AND details IS NULL"
    unbilled = f"({nothing_sent} OR ({nothing_used}))"
    made = {
        "revision": "0",
        "booked_at": "NULL",
        "source": sql.text(source),
        "list_usd": f"CASE WHEN {unbilled} THEN 0 ELSE list_usd END",
        "contracted_usd": f"CASE WHEN {unbilled} THEN 0 ELSE contracted_usd END",
        "effective_usd": f"CASE WHEN {unbilled} THEN 0"
        " ELSE coalesce(reported_usd, contracted_usd) END",
        "counterfactual_usd": f"CASE WHEN {nothing_sent} THEN contracted_usd END",
        "reason": f"CASE WHEN {nothing_sent} THEN 'cache' END",
        "price_ids": "price_id",
        "policy_version": "NULL",
        "arm": "NULL",
        "flags": _flags(
            ("suspect", "suspect"),
            ("unpriced", f"price_id IS NULL AND reported_usd IS NULL AND NOT {unbilled}"),
        ),
    }
    return _select(schema.CALLS, rows, made, Call)


def _charges(rows: str, source: str) -> str:
    counted = "grain = 'usage' AND effective_cost IS NULL AND billed_cost IS NULL"

    def usd(cost: str) -> str:
        return f"CASE billing_currency WHEN 'USD' THEN {cost} ELSE {currencies.converted(cost)} END"

    made = {
        "revision": "0",
        "booked_at": "NULL",
        "source": sql.text(source),
        "effective_cost": "coalesce(effective_cost, billed_cost)",
        "list_usd": f"CASE WHEN {counted} THEN list_usd ELSE {usd('list_cost')} END",
        "contracted_usd": f"CASE WHEN {counted} THEN contracted_usd"
        f" ELSE {usd('contracted_cost')} END",
        "effective_usd": f"CASE WHEN {counted} THEN contracted_usd"
        f" ELSE {usd('coalesce(effective_cost, billed_cost)')} END",
        "billed_usd": usd("billed_cost"),
        "price_ids": f"CASE WHEN {counted} THEN price_id END",
        "until": "coalesce(until, time)",
        "flags": _flags(
            ("suspect", "suspect"),
            ("unconverted", "billing_currency <> 'USD' AND fx_usd IS NULL"),
            ("unpriced", f"{counted} AND price_id IS NULL"),
        ),
    }
    return _select(schema.CHARGES, currencies.joined(rows), made, Charge)


def _select(into: schema.Table, rows: str, made: dict[str, str], row: type[msgspec.Struct]) -> str:
    assert set(into.names) == set(row.__struct_fields__)
    columns = ", ".join(
        f"({made.get(column.name, column.name)})::{column.sql} AS {column.name}"
        for column in into.columns
    )
    day = f"make_timestamp(epoch_us(time))::DATE AS {schema.PARTITION}"
    return f"SELECT {columns}, {day} FROM ({rows})"


def _count(files: set[str], connection: duckdb.DuckDBPyConnection, summary: Summary) -> None:
    """Read back what was committed: the summary tells what is stored, not what was meant."""
    listed = "[" + ", ".join(sql.text(name) for name in sorted(files)) + "]"
    counted = connection.execute(f"""
        SELECT coalesce(sum(effective_usd), 0),
               count(*) FILTER (contains(coalesce(flags, ''), 'unpriced'))
        FROM read_parquet({listed})""").fetchone()
    assert counted is not None
    summary.cost_usd += counted[0]
    summary.unpriced += counted[1]
    if counted[1]:
        models = connection.execute(f"""
            SELECT DISTINCT coalesce(model, '(no model)') FROM read_parquet({listed})
            WHERE contains(coalesce(flags, ''), 'unpriced') LIMIT 20""").fetchall()
        summary.unpriced_models |= {model for (model,) in models}
