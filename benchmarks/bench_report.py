"""How long `farthing report --by team,model` takes over ten million calls.

Beside it plain SQL in bare DuckDB over the same Parquet files, in one process and in turns, so that
a busy machine slows both alike: with one attempt a call it counts rows, with fallbacks distinct
ids, so that both give the same figures. Run it with `./dev bench report`, or `python -m
benchmarks.bench_report ROWS`.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from farthing.config import Settings
from farthing.domain.money import Money
from farthing.ledger import grain
from farthing.ledger.queries import Selection
from farthing.ledger.schema import CALLS, CHARGES
from farthing.ledger.spend import Key, Spending
from farthing.views.report import Request, as_json, report

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ROWS = 10_000_000
ROUNDS = 5
DAYS = 90
BY = ("team", "model")
# What the issue allows, query time and whole command.
BOUND_RATIO, BOUND_SECONDS = 1.5, 3.0

# Calls of 90 days: ids in time order, few distinct scopes, some nulls; one in `every` is answered
# by a second attempt at another model.
ROWS_SQL = """
SELECT
  printf('%012x', epoch_ms(began)) || substr(md5(call::VARCHAR), 1, 20) AS id,
  CASE WHEN n % {every} = {every} - 1 THEN 2 ELSE 1 END AS attempt,
  0 AS revision,
  began AS time,
  'gateway' AS source,
  ['openai', 'anthropic', 'google'][1 + pick % 3] AS provider,
  'main' AS account,
  'chat' AS operation,
  'model-' || (pick % 5 + CASE WHEN n % {every} = {every} - 1 THEN 1 ELSE 0 END) AS model,
  'resp_' || substr(md5('r' || n), 1, 24) AS response_id,
  200 + pick % 3000 AS input_fresh,
  CASE WHEN pick % 4 = 0 THEN pick % 9000 ELSE 0 END AS cache_read,
  20 + pick % 700 AS output_visible,
  CASE WHEN pick % 500 <> 0 THEN ((pick % 90000) / 1000000.0)::DECIMAL(18,12) END AS effective_usd,
  CASE WHEN pick % 20 <> 0 THEN 'team-' || (pick // 7 % 6) END AS team,
  'feature-' || (pick // 49 % 20) AS feature,
  'prod' AS environment,
  md5('t' || call) AS trace_id,
  md5('q' || pick) AS request_hash,
  'ok' AS status,
FROM (
  SELECT n, call, (hash(call) % 1000003)::BIGINT AS pick,
    TIMESTAMPTZ '2026-07-01 00:00:00+00' + to_microseconds(call * {step}) AS began
  FROM (SELECT i AS n, CASE WHEN i % {every} = {every} - 1 THEN i - 1 ELSE i END AS call
        FROM range({first}, {last}) t(i))
)
"""

PLAIN_SQL = """
SELECT team, model, {calls}, sum(input_fresh + cache_read + cache_write_short + cache_write_long),
  sum(output_visible + reasoning), sum(effective_usd)
FROM calls GROUP BY team, model
"""


def main(rows: int = ROWS) -> None:
    cases = (
        ("one attempt a call", rows + 1, "count(*)"),
        ("1 % fallbacks", 101, "count(DISTINCT id)"),
    )
    for name, every, calls in cases:
        with tempfile.TemporaryDirectory(prefix="farthing-bench-") as folder:
            make(Path(folder), rows, every)
            compare(opened(Path(folder)), name, PLAIN_SQL.format(calls=calls))


def compare(connection: DuckDBPyConnection, name: str, plain: str) -> None:
    grain.settle(connection, Selection())
    spending = Spending(connection, ZoneInfo("UTC"))
    request = Request(BY, ZoneInfo("UTC"), datetime.now(UTC))

    def ours() -> dict[Key, tuple[int, Money]]:
        sums = spending.by(Selection(), BY)
        _, more = spending.fallbacks(Selection(), BY)
        return {key: (each.calls + more.get(key, 0), each.cost) for key, each in sums.items()}

    def theirs() -> dict[Key, tuple[int, Money]]:
        rows = connection.execute(plain).fetchall()
        return {row[:2]: (row[2], Money.of(row[-1])) for row in rows}

    assert ours() == theirs()
    told, bare, command = seconds(
        ours, theirs, lambda: as_json(report(connection, request, Settings()))
    )
    show(f"query, {name}", told, bare * BOUND_RATIO)
    show(f"report as JSON, {name}, without start-up", command, BOUND_SECONDS)


def seconds(*what: Callable[[], object]) -> Sequence[float]:
    """The best of each, taken in turns: what else the machine does only adds."""
    taken: list[list[float]] = [[] for _ in what]
    for _ in range(ROUNDS):
        for index, each in enumerate(what):
            began = time.perf_counter()
            each()
            taken[index].append(time.perf_counter() - began)
    return [min(each) for each in taken]


def show(what: str, measured: float, bound: float) -> None:
    print(f"{what:50} {measured:7.2f} s {bound:7.2f} s {measured / bound:6.2f}", flush=True)


def make(folder: Path, rows: int, every: int) -> None:
    """Write the calls as one Parquet file a day, in the ledger's columns and types."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    step = DAYS * 86_400_000_000 // rows
    for day in range(DAYS):
        first, last = rows * day // DAYS, rows * (day + 1) // DAYS
        query = ROWS_SQL.format(first=first, last=last, step=step, every=every)
        given = set(connection.sql(query).columns)
        typed = ", ".join(
            f"{column.name if column.name in given else _absent(column.unit)}::{column.sql} "
            f"AS {column.name}"
            for column in CALLS.columns
        )
        connection.execute(
            f"COPY (SELECT {typed}, time::DATE AS day FROM ({query})) "
            f"TO '{folder / f'{day:03}.parquet'}' (FORMAT parquet, COMPRESSION zstd)"
        )


def opened(folder: Path) -> DuckDBPyConnection:
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"CREATE VIEW calls AS FROM read_parquet('{folder}/*.parquet')")
    connection.execute(f"CREATE VIEW charges AS {CHARGES.empty()}")
    return connection


def _absent(unit: str | None) -> str:
    return "0" if unit == "tokens" else "NULL"


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
