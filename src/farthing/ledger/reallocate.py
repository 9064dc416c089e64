"""Give rows that have no owner the one that the rules of today name."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from farthing.config import Rule
from farthing.domain.money import Money
from farthing.domain.scope import SCOPE
from farthing.ledger import allocate, correction, engine, queries, table
from farthing.ledger.queries import Selection
from farthing.ledger.schema import TABLES, Table
from farthing.ledger.workspace import Workspace


@dataclass(slots=True)
class Reallocated:
    """What a run did, or would do: rows looked at, rows that got an owner, and their cost."""

    rows: int = 0
    changed: int = 0
    cost: Money = Money.ZERO
    seconds: float = 0.0


def reallocate(
    workspace: Workspace,
    rules: Sequence[Rule],
    selection: Selection,
    now: Callable[[], datetime],
    *,
    dry_run: bool = False,
) -> Reallocated:
    """Fill what is empty in the scope of the selection's rows by the rules, the first first.

    What a row has stays, whether its source said so or a rule that is gone. One commit a table;
    a second run finds nothing to do.
    """
    done, started = Reallocated(), time.monotonic()
    with workspace.lock(), engine.connect(workspace) as connection:
        connection.execute("SET preserve_insertion_order = false")
        for of in TABLES:
            rows = _owned(of, rules, selection)
            changes = " OR ".join(f"{name} IS DISTINCT FROM new_{name}" for name in SCOPE)
            [(count, changed, cost)] = connection.execute(f"""
                SELECT count(*), count(*) FILTER ({changes}),
                       coalesce(sum(effective_usd) FILTER ({changes}), 0)
                FROM ({rows})""").fetchall()
            done.rows += count
            done.changed += changed
            done.cost += Money.of(cost)
            if changed and not dry_run:
                only = f"SELECT * FROM ({rows}) WHERE {changes}"
                pairs = correction.pairs(of, only, SCOPE, now())
                table.append(workspace, of, connection.sql(pairs))
    done.seconds = round(time.monotonic() - started, 3)
    return done


def _owned(of: Table, rules: Sequence[Rule], selection: Selection) -> str:
    """SQL: the rows in force with their scope as it is, and as the rules have it: new_team …"""
    held = correction.current(of, queries.sql(queries.as_stored(of, selection, shadowed=False)))
    # Rules may name a column that the other table has; here no row has a value there.
    lacking = sorted(allocate.COLUMNS - set(of.names))
    nulls = "".join(f", NULL::VARCHAR AS {name}" for name in lacking)
    grain = " REPLACE ('call' AS grain)" if "grain" in lacking else ""
    ours = ", ".join(f"{name} AS held_{name}" for name in SCOPE)
    filled = allocate.allocated(
        f"SELECT *{grain} FROM (SELECT *, {ours}{nulls} FROM ({held}))", rules
    )
    columns = ", ".join(f"held_{name} AS {name}" if name in SCOPE else name for name in of.names)
    news = ", ".join(f"{name} AS new_{name}" for name in SCOPE)
    return f"SELECT {columns}, day, {news} FROM ({filled})"
