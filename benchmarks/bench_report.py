"""How long `report --by team,model` takes over ten million calls, beside the same SQL in DuckDB.

Run it with `python benchmarks/bench_report.py [ROWS]`. Both sides read the same Parquet files in
the same process, in turns, so that a busy machine slows both. Prints the ratio of the medians.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from farthing.ledger.schema import CALLS, CHARGES

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ROUNDS = 5
DAYS = 90

# Ten million calls of 90 days: ids in time order, few distinct scopes, some nulls, one call in
# a hundred answered by a second attempt at another model.
ROWS_SQL = """
SELECT
  printf('%012x', epoch_ms(began)) || substr(md5(call::VARCHAR), 1, 20) AS id,
  CASE WHEN n % 101 = 100 THEN 2 ELSE 1 END AS attempt,
  0 AS revision,
  began AS time,
  'gateway' AS source,
  ['openai', 'anthropic', 'google'][1 + pick % 3] AS provider,
  'main' AS account,
  'chat' AS operation,
  'model-' || (pick % 5 + CASE WHEN n % 101 = 100 THEN 1 ELSE 0 END) AS model,
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
  FROM (SELECT i AS n, CASE WHEN i % 101 = 100 THEN i - 1 ELSE i END AS call
        FROM range({first}, {last}) t(i))
)
"""

PLAIN_SQL = """
SELECT team, model, count(DISTINCT day), count(*), sum(input_fresh + cache_read
  + cache_write_short + cache_write_long), sum(output_visible + reasoning), sum(effective_usd)
FROM calls GROUP BY team, model
"""


def make(folder: Path, rows: int) -> None:
    """Write the calls as one Parquet file a day, in the ledger's columns and types."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    given = {"status"}
    step = DAYS * 86_400_000_000 // rows
    for day in range(DAYS):
        first, last = rows * day // DAYS, rows * (day + 1) // DAYS
        query = ROWS_SQL.format(first=first, last=last, step=step)
        made = connection.sql(query)
        given = set(made.columns)
        typed = ", ".join(
            f"{column.name}::{column.sql} AS {column.name}"
            if column.name in given
            else f"{'0' if column.unit == 'tokens' else 'NULL'}::{column.sql} AS {column.name}"
            for column in CALLS.columns
        )
        target = folder / f"{day:03}.parquet"
        connection.execute(
            f"COPY (SELECT {typed}, time::DATE AS day FROM ({query})) "
            f"TO '{target}' (FORMAT parquet, COMPRESSION zstd)"
        )


def opened(folder: Path) -> DuckDBPyConnection:
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"CREATE VIEW calls AS FROM read_parquet('{folder}/*.parquet')")
    connection.execute(f"CREATE VIEW charges AS {CHARGES.empty()}")
    return connection
