"""Ask the book again what stored model usage costs, beside what was booked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import duckdb

from farthing.ledger import correction, price_table, pricing, queries, sql, stored
from farthing.ledger.queries import Selection
from farthing.ledger.schema import CALLS, CHARGES, Table
from farthing.ledger.stored import UNCOUNTED
from farthing.ledger.workspace import Workspace
from farthing.prices.book import Book
from farthing.prices.rate import UNPRICED_UNITS

# Booked at a hold, by an estimate or not at all: their usage is not known, so it has no price.
_UNKNOWN_USAGE = ("recovered", "estimated", UNCOUNTED)
# What the book's answer may change in a row.
RENEWED = (
    *("provider", "list_usd", "contracted_usd", "effective_usd", "counterfactual_usd"),
    *("price_ids", "flags"),
)


@dataclass(frozen=True, slots=True)
class Repriced:
    """SQL `rows` in force, with the book's answer as new_list_usd … and the `rates` it used.

    Without a price, new_price_ids and the new costs are NULL.
    """

    rows: str
    rates: pricing.Rates


def counted(of: Table, selection: Selection, *, shadowed: bool) -> str:
    """SQL: the rows in force whose cost follows from their usage: it is the book's to say.

    `shadowed` leaves out what a better grain tells of already; see `grain.settle`.
    """
    chosen = queries.sql(queries.as_stored(of, selection, shadowed=shadowed))
    held = correction.current(of, chosen)
    if of is CHARGES:
        ours = "grain = 'usage' AND effective_cost IS NULL AND billed_cost IS NULL"
        return f"SELECT * FROM ({held}) WHERE {ours}"
    marks = ", ".join(sql.text(flag) for flag in _UNKNOWN_USAGE)
    return f"""
        SELECT * FROM ({held})
        WHERE status <> 'recovered'
          AND NOT list_has_any(string_split(coalesce(flags, ''), ','), [{marks}])"""


def repriced(
    workspace: Workspace,
    connection: duckdb.DuckDBPyConnection,
    book: Book,
    of: Table,
    rows: str,
    on: date | None = None,
) -> Repriced:
    """What the book says of the `rows` that `counted` chose; `on`: as if all were of that day."""
    asked = _asked(book, of, rows, on)
    keys = connection.execute(
        f"SELECT DISTINCT provider, model, context, contracts FROM ({asked})"
    ).fetchall()
    units = connection.execute(
        f"SELECT DISTINCT unnest(json_keys(details)) FROM ({rows}) WHERE details IS NOT NULL"
    ).fetchall()
    named = sorted((pricing.Key(*key) for key in keys), key=str)
    rates = pricing.load(connection, book, named, (unit for (unit,) in units))
    priced = pricing.priced(pricing.keyed(asked), rates, large=of is CHARGES)
    told = {flag for _, rate in rates.rows for flag in rate.flags}
    told |= price_table.flags(workspace, connection)
    return Repriced(_answered(of, priced, told), rates)


def _asked(book: Book, of: Table, rows: str, on: date | None) -> str:
    """SQL: the rows as pricing takes them; what it would overwrite is kept as `held_…`."""
    requests = ", 1 AS requests" if of is CALLS else ""
    moved = (
        f" REPLACE ({sql.text(str(on))}::TIMESTAMPTZ + (time - time::DATE) AS time)" if on else ""
    )
    kept = "SELECT * RENAME (list_usd AS held_list_usd, contracted_usd AS held_contracted_usd)"
    contracts = pricing.covering_contracts(book.contracts)
    return f"""
        SELECT *, {contracts} AS contracts FROM (
            SELECT *{moved} FROM (
                {kept}, provider AS held_provider, time AS held_time{requests} FROM ({rows})))"""


def _answered(of: Table, priced: str, price_flags: set[str]) -> str:
    """SQL: rows under their stored names again, the answer under new ones."""
    if of is CALLS:
        free = stored.unbilled()
        effective, offset = (
            "coalesce(reported_usd, contracted_usd)",
            (
                "CASE WHEN attempt = 0 AND counterfactual_usd IS NOT NULL"
                " THEN coalesce(contracted_usd, counterfactual_usd) ELSE counterfactual_usd END"
            ),
        )
    else:
        free, effective, offset = "false", "contracted_usd", "NULL"
    answer = f"""
        {free} AS unbilled,
        provider AS new_provider,
        CASE WHEN {free} THEN 0 ELSE list_usd END AS new_list_usd,
        CASE WHEN {free} THEN 0 ELSE contracted_usd END AS new_contracted_usd,
        CASE WHEN {free} THEN 0 ELSE {effective} END AS new_effective_usd,
        {offset} AS new_counterfactual_usd,
        price_id AS new_price_ids,
        {_flags(price_flags)} AS new_flags"""
    columns = ", ".join(_HELD.get(name, name) for name in of.names)
    return f"SELECT {columns}, day, {answer} FROM ({priced})"


_HELD = {
    "provider": "held_provider AS provider",
    "time": "held_time AS time",
    "list_usd": "held_list_usd AS list_usd",
    "contracted_usd": "held_contracted_usd AS contracted_usd",
}


def _flags(price_flags: set[str]) -> str:
    """SQL: the flags of a row that has this price; those of its old one go."""
    gone = ", ".join(sql.text(flag) for flag in sorted({"unpriced", UNPRICED_UNITS, *price_flags}))
    own = f"list_filter(string_split(flags, ','), lambda flag: NOT list_contains([{gone}], flag))"
    every = f"list_concat(coalesce({own}, []), coalesce(string_split(price_flags, ','), []))"
    return f"nullif(array_to_string(list_sort(list_distinct({every})), ','), '')"
