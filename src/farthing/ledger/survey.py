"""Look at a source before anything is written: how many rows, which prices, what time span."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from farthing.ledger import identity, pricing

SAMPLE_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class Survey:
    """What is in a source. `since` and `until` are the first and last moment, as text."""

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


def survey(connection: duckdb.DuckDBPyConnection, rows: str, present: frozenset[str]) -> Survey:
    """Count checked rows by what decides their price."""
    context = "context" if "context" in present else "NULL::VARCHAR AS context"
    groups = connection.execute(f"""
        SELECT grain, provider, model, {context}, contracts,
               count(*), count(reason), min(time)::VARCHAR, max(time)::VARCHAR
        FROM ({rows}) GROUP BY ALL""").fetchall()
    good = [group for group in groups if group[5] > group[6]]
    keys = {pricing.Key(*group[1:5]) for group in good}
    times = [when for group in good for when in group[7:9] if when is not None]
    return Survey(
        rows=sum(group[5] for group in groups),
        bad=sum(group[6] for group in groups),
        grains=frozenset(group[0] for group in good),
        keys=tuple(sorted(keys, key=str)),
        since=min(times, default=None),
        until=max(times, default=None),
    )


@dataclass(frozen=True, slots=True)
class Span:
    """How far a source reaches. `repeats`: it may hold equal rows that have no id of their own."""

    rows: int
    since: str | None
    until: str | None
    repeats: bool


def span(connection: duckdb.DuckDBPyConnection, rows: str, present: frozenset[str]) -> Span:
    """Measure checked rows: much cheaper than a whole survey."""
    nameless = f"NOT ({identity.has_own_id(present)})"
    [found] = connection.execute(f"""
        SELECT count(*), min(time)::VARCHAR, max(time)::VARCHAR, count(*) FILTER ({nameless})
               > count(DISTINCT CASE WHEN {nameless} THEN {identity.fingerprint(present)} END)
        FROM ({rows})""").fetchall()
    return Span(*found)


def detail_units(
    connection: duckdb.DuckDBPyConnection, rows: str, present: frozenset[str]
) -> list[str]:
    """The units, besides the six buckets, that some row counts."""
    if "details" not in present:
        return []
    found = connection.execute(
        f"SELECT DISTINCT unnest(json_keys(details)) FROM ({rows}) WHERE details IS NOT NULL"
    ).fetchall()
    return [unit for (unit,) in found]
