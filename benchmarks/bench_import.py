"""How long five million calls take to import, beside DuckDB copying the same CSV to Parquet.

Each side runs in a process of its own, in turns, so that a busy machine slows both. First into
an empty ledger, then the same calls again, when every row must be looked up among five million;
then a log without ids, hashes and trace ids, whose rows are known by their content alone.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

ROWS = 5_000_000
ROUNDS = 3

LOG = """
COPY (
  SELECT '2026-10-01'::TIMESTAMP + to_milliseconds((n * 518)::BIGINT) AS time,
         CASE WHEN pick % 2 = 0 THEN 'openai' ELSE 'anthropic' END AS provider,
         CASE WHEN pick % 2 = 0 THEN 'gpt-4o' || CASE WHEN pick % 6 = 0 THEN '-mini' ELSE '' END
              ELSE 'claude-' || CASE WHEN pick % 3 = 0 THEN 'haiku' ELSE 'sonnet' END || '-4-5'
         END AS model,
         500 + pick % 8000 AS input_tokens, pick % 400 AS cached_tokens,
         1 + pick % 900 AS output_tokens,
         'team-' || (pick // 7 % 6) AS team, 'feature-' || (pick // 49 % 20) AS feature,
         CASE WHEN pick % 10 = 0 THEN 'dev' ELSE 'prod' END AS environment,
         md5('i' || n) AS request_id, md5('h' || pick) AS request_hash, md5('t' || n) AS trace_id
  FROM (SELECT i AS n, (hash(i) % 1000003)::BIGINT AS pick FROM range({rows}) t(i))
) TO '{path}' (HEADER)
"""
BARE = "* EXCLUDE (request_id, request_hash, trace_id)"
RULES = '[[allocate]]\nmatch = "feature=feature-3"\nproject = "three"\n'

COPY = """
import sys, time, duckdb
began = time.perf_counter()
duckdb.connect().execute(f"COPY (FROM '{sys.argv[1]}') TO '{sys.argv[2]}' (FORMAT parquet)")
print(time.perf_counter() - began)
"""


def main(rows: int = ROWS) -> None:
    import duckdb

    with TemporaryDirectory() as temp:
        folder = Path(temp)
        log = folder / "calls.csv"
        duckdb.execute(LOG.format(rows=rows, path=log))
        size = log.stat().st_size / 1e6
        print(f"{rows:,} rows, {size:,.0f} MB of CSV, priced, allocated; {ROUNDS} rounds")
        bare = folder / "bare.csv"
        duckdb.execute(f"COPY (SELECT {BARE} FROM '{log}') TO '{bare}' (HEADER)")
        rounds = [_round(folder / str(number), log) for number in range(ROUNDS)]
        seconds = _report(folder / "0" / "ws", bare)
        without = [_round(folder / f"bare{number}", bare) for number in range(ROUNDS)]
    copy, fresh, again, bytes_a_row = (median(column) for column in zip(*rounds, strict=True))
    bare_copy, bare_fresh, bare_again, _ = (median(c) for c in zip(*without, strict=True))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"DuckDB CSV to Parquet   {copy:6.2f} s")
    print(f"into an empty ledger    {fresh:6.2f} s   {fresh / copy:5.2f} times (asked: 2)")
    print(f"every row known already {again:6.2f} s   {again / copy:5.2f} times (asked: 3)")
    print(f"no ids: DuckDB          {bare_copy:6.2f} s")
    print(f"no ids: empty ledger    {bare_fresh:6.2f} s   {bare_fresh / bare_copy:5.2f} times")
    print(f"no ids: every row known {bare_again:6.2f} s   {bare_again / bare_copy:5.2f} times")
    print(f"peak memory             {peak:6.0f} MB (asked: 1,500)")
    print(
        f"report over both logs   {seconds:6.2f} s, {2 * rows:,} rows, the whole command (asked: 3)"
    )
    print(f"on disk                 {bytes_a_row:6.1f} bytes a row (asked: 110)")


def _round(folder: Path, log: Path) -> tuple[float, float, float, float]:
    folder.mkdir()
    (folder / "ws").mkdir()
    (folder / "ws" / "farthing.toml").write_text(RULES)
    copied = _python("-c", COPY, str(log), str(folder / "copy.parquet"))
    fresh = _import(folder / "ws", log)
    stored = sum(path.stat().st_size for path in (folder / "ws" / "tables" / "calls").rglob("*"))
    again = _import(folder / "ws", log)
    assert (fresh["added"], again["added"]) == (fresh["rows"], 0), (fresh, again)
    return float(copied.split()[-1]), fresh["seconds"], again["seconds"], stored / fresh["rows"]


def _report(workspace: Path, more: Path) -> float:
    """Add a second log to a ledger, and time the report over both, start-up and all."""
    _import(workspace, more)
    command = ("-m", "farthing.cli.main", "--workspace", str(workspace), "report")
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        _python(*command, "--by", "team,model")
        taken.append(time.perf_counter() - began)
    return median(taken)


def _import(workspace: Path, log: Path) -> dict[str, float]:
    command = ("-m", "farthing.cli.main", "--workspace", str(workspace), "import", str(log))
    found: dict[str, float] = json.loads(_python(*command, "--json"))
    return found


def _python(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
