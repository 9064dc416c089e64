"""Sums by quarter of an hour, so that a long period is read in a moment.

A quarter of an hour divides every time zone's day. The table `rollup` covers `calls` and
`charges` up to one version of each, which it records together with its rows. Readers add what
came since, so the sums are those of the raw rows at any time, whether it was brought up to date
a moment ago or never. Its rows add up; several may have one slot and one set of dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from farthing.domain.scope import SCOPE
from farthing.domain.usage import BUCKETS
from farthing.ledger import scan, schema, table
from farthing.ledger.schema import Column
from farthing.ledger.workspace import Workspace

_MONEY = ("list_usd", "contracted_usd", "effective_usd", "counterfactual_usd")

DIMENSIONS = (
    "source",
    "grain",
    "provider",
    "account",
    "model",
    *(name for name in SCOPE if name != "key"),
    "status",
)

ROLLUP = schema.Table(
    "rollup",
    (),
    (
        Column("slot", "TIMESTAMPTZ", "UTC, a multiple of 15 minutes", required=True),
        Column("describes_calls", "BOOLEAN", None, required=True),
        *(Column(name, "VARCHAR", None, required=False) for name in DIMENSIONS),
        Column("calls", "BIGINT", "calls", required=True),
        Column("rows", "BIGINT", "rows", required=True),
        Column("unpriced", "BIGINT", "rows without a price", required=True),
        *(Column(name, "BIGINT", "tokens", required=True) for name in BUCKETS),
        *(Column(name, "DECIMAL(38,12)", "USD", required=True) for name in _MONEY),
    ),
)


def query(
    workspace: Workspace,
    summed: table.Snapshot,
    calls: table.Snapshot,
    charges: table.Snapshot,
    *,
    tail: str,
) -> str:
    """SQL for sums over these versions and the journal's tail. `summed` was opened first."""
    missing = _missing(workspace, summed, calls, charges)
    stored = scan.read_files(ROLLUP, summed.files) if missing.usable else ROLLUP.empty()
    parts = [stored, _sums_of_calls(f"SELECT * FROM {tail}"), *missing.sums(workspace)]
    return " UNION ALL ".join(f"({part})" for part in parts)


def update(workspace: Workspace, *, step: Callable[[str], None] = table.no_step) -> int:
    """Cover the tables as they are now; answers how many rows that took. Cheap where it can be."""
    with workspace.lock():
        for kind in schema.TABLES:
            table.create(workspace, kind)
        summed = table.snapshot(workspace, ROLLUP)
        calls = table.snapshot(workspace, schema.CALLS)
        charges = table.snapshot(workspace, schema.CHARGES)
        missing = _missing(workspace, summed, calls, charges)
        if not missing.versions:
            return 0
        rows = scan.bare().sql(" UNION ALL ".join(f"({part})" for part in missing.sums(workspace)))
        change = table.append if missing.usable else table.replace
        return change(workspace, ROLLUP, rows, txn=missing.versions, step=step)


@dataclass(frozen=True, slots=True)
class _Missing:
    """The files that the rollup does not cover; all of them where it is not usable."""

    calls: Sequence[str]
    charges: Sequence[str]
    versions: dict[str, int]  # what it covers once these are in
    usable: bool

    def sums(self, workspace: Workspace) -> list[str]:
        return [
            _sums_of_calls(scan.read_files(schema.CALLS, self.calls)),
            _sums_of_charges(scan.read_files(schema.CHARGES, self.charges)),
        ]


def _missing(workspace: Workspace, summed: table.Snapshot, *tables: table.Snapshot) -> _Missing:
    pairs = list(zip((schema.CALLS, schema.CHARGES), tables, strict=True))
    since = [_since(workspace, summed, kind, now) for kind, now in pairs]
    versions = {_app(kind, now): now.version for kind, now in pairs if now.version >= 0}
    if any(files is None for files in since):
        return _Missing(tables[0].files, tables[1].files, versions, usable=False)
    fresh = {app: last for app, last in versions.items() if summed.transaction(app) != last}
    return _Missing(since[0] or (), since[1] or (), fresh, usable=True)


def _since(
    workspace: Workspace, summed: table.Snapshot, kind: schema.Table, now: table.Snapshot
) -> Sequence[str] | None:
    """The files of a table that the rollup lacks; None if what it has cannot be relied on."""
    if now.version < 0:
        return ()
    covered = summed.transaction(_app(kind, now))
    if covered is None:
        return None if summed.files else now.files
    return table.added_between(workspace, kind, covered, now.version)


def _app(kind: schema.Table, now: table.Snapshot) -> str:
    return f"{kind.name}/{now.id}"


def _sums_of_calls(rows: str) -> str:
    # An odd revision takes back what an earlier one counted, the even one after it counts anew.
    once = "if(revision % 2 = 1, -1, 1)"
    replaced = {"grain": "'call'", "counterfactual_usd": "counterfactual_usd"}
    counts = f"""
        sum(if(attempt <= 1 AND status <> 'refused', {once}, 0))::BIGINT AS calls,
        count(*) AS rows,
        sum(if(effective_usd IS NULL, {once}, 0))::BIGINT AS unpriced
    """
    return _sums(rows, "true", replaced, counts)


def _sums_of_charges(rows: str) -> str:
    once = "if(revision % 2 = 1, -1, 1)"
    replaced = {"status": "NULL::VARCHAR", "counterfactual_usd": "NULL::DECIMAL(38,12)"}
    counts = f"""
        sum(requests)::BIGINT AS calls,
        count(*) AS rows,
        sum(if(effective_usd IS NULL, {once}, 0))::BIGINT AS unpriced
    """
    return _sums(rows, "describes_calls", replaced, counts)


def _sums(rows: str, describes: str, replaced: dict[str, str], counts: str) -> str:
    dimensions = ", ".join(f"{replaced.get(name, name)} AS {name}" for name in DIMENSIONS)
    tokens = ", ".join(f"sum({name})::BIGINT AS {name}" for name in BUCKETS)
    money = ", ".join(
        f"coalesce(sum({replaced.get(name, name)}), 0)::DECIMAL(38,12) AS {name}" for name in _MONEY
    )
    return f"""
        SELECT time_bucket(INTERVAL 15 minutes, time::TIMESTAMP)::TIMESTAMPTZ AS slot,
            {describes} AS describes_calls, {dimensions},
            {counts}, {tokens}, {money}, {schema.PARTITION}
        FROM ({rows}) GROUP BY ALL
    """
