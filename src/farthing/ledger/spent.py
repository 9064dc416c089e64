"""What the gateway's calls cost since a moment, and exactly how far that has the journal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from farthing.domain.errors import Unavailable
from farthing.domain.money import Money
from farthing.ledger import engine, journal, scan, schema, sql, table
from farthing.ledger.durable import sync_file
from farthing.ledger.watermarks import Cut
from farthing.ledger.workspace import Workspace

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

GATEWAY = "gateway"
# The columns that a budget's filter may name; what else it names is a tag.
COLUMNS = (
    "team", "project", "feature", "customer", "environment", "cost_center", "key", "session_id",
    "model", "operation", "provider", "account",
)  # fmt: skip
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Group:
    """What calls with equal facts cost together, in the stretch before or after a moment."""

    facts: dict[str, str | None]
    later: bool
    cost: Money


@dataclass(frozen=True, slots=True)
class Spent:
    """A ledger that holds still. `cut` says which lines of the journal are not in it yet."""

    cut: Cut = field(default_factory=dict)
    _con: DuckDBPyConnection | None = None

    def groups(
        self,
        fields: Iterable[str],
        since: datetime | None,
        until: datetime | None,
        sessions_since: datetime | None = None,
    ) -> Iterator[Group]:
        """Sums of the calls that began at `since` or later, apart by fields.

        Those that began at `until` or later are apart too. `sessions_since`: of sessions that
        began no call then or later, nothing.
        """
        if self._con is None:
            return
        names = list(dict.fromkeys(fields))
        values = [name if name in COLUMNS else sql.json_value("tags", name) for name in names]
        tests = [f"source = {sql.text(GATEWAY)}", "effective_usd <> 0", *_from(since)]
        if sessions_since is not None:
            recent = " AND ".join([f"source = {sql.text(GATEWAY)}", *_from(sessions_since)])
            tests.append(f"session_id IN (SELECT session_id FROM calls WHERE {recent})")
        later = "false" if until is None else f"time >= {_moment(until)}"
        columns = ", ".join([f"{later} AS later", *values])
        found = self._con.execute(
            f"SELECT {columns}, sum(effective_usd) FROM calls WHERE {' AND '.join(tests)} "
            "GROUP BY ALL HAVING count(*) > 0"
        )
        while rows := found.fetchmany(10_000):
            for is_later, *facts, cost in rows:
                said: list[Any] = facts
                yield Group(dict(zip(names, said, strict=True)), bool(is_later), Money.of(cost))


@contextmanager
def spent(workspace: Workspace) -> Iterator[Spent]:
    """Read the ledger as it is now. Corrections count: the sums are those that a report shows."""
    if not journal.segments(workspace) and not (workspace.tables / schema.CALLS.name).exists():
        yield Spent()  # nothing was ever spent, and nobody waits for a query engine
        return
    import duckdb

    con = scan.bare()
    try:
        yield Spent(_cut(con, workspace), con)
    except (duckdb.IOException, duckdb.InvalidInputException) as error:
        raise engine.damaged(workspace.root) from error
    finally:
        con.close()


def _cut(con: DuckDBPyConnection, workspace: Workspace) -> Cut:
    for _ in range(_TRIES):
        cut = engine.attach(con, workspace)
        calls = table.snapshot(workspace, schema.CALLS)
        there = journal.segments(workspace)
        for each in there:
            # A power cut must not take back what was summed.
            if each.set in cut and each.seq == cut[each.set][0]:
                with suppress(FileNotFoundError):  # the table has it by now, synced
                    sync_file(each.path)
        # A set that came, and went into the table, meanwhile: in the sums, and not in the cut.
        if all(each.set in cut or calls.transaction(each.app) is None for each in there):
            return cut
    raise Unavailable(f"The journal of {workspace.root} moves faster than it can be read.")


def _from(since: datetime | None) -> list[str]:
    if since is None:
        return []
    day = sql.text(f"{since:%Y-%m-%d}")
    return [f"{schema.PARTITION} >= {day}::DATE", f"time >= {_moment(since)}"]


def _moment(when: datetime) -> str:
    return f"{sql.text(when.isoformat())}::TIMESTAMPTZ"
