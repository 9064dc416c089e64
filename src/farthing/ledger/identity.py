"""Say which source rows are the same call: ids derived from what the source said (design §4).

The provider's response id makes the id; else the source's own id; else a hash of the row's
normalised fields, and its ordinal among equals in the file. So the same file twice adds nothing,
overlapping files count once, and a row that a file truly has twice is two rows.
"""

from __future__ import annotations

import duckdb

from farthing.domain.scope import SCOPE
from farthing.domain.usage import BUCKETS
from farthing.ledger import schema, sql
from farthing.ledger.checks import AMOUNTS

# What tells rows apart. Absent, NULL and 0 are the same: a source that lacks a column and one that
# leaves it empty describe the same call. The usual fields go by their place, which is fast; the
# list may never change, or every id would. All others go by name, where they have a value.
_PLACED = (
    *("provider", "model", *BUCKETS, "status", "latency_ms", "ttft_ms", *SCOPE),
    *("session_id", "trace_id", "tags"),
)
_NAMED_TEXTS = (
    *("grain", "account", "operation", "model_served", "template_id", "request_hash", "details"),
    *("context", "charge_category", "charge_class", "charge_description", "service_name"),
    *("region", "resource_id", "sku_id", "sku_price_id", "commitment_id", "invoice_id"),
)
_NAMED_NUMBERS = ("attempt", "requests", *AMOUNTS)
# Fields that a row has even where its source has no such column: derived, or from an option.
_DERIVED = frozenset({*BUCKETS, "provider", "model", "account", "status"})
# The importer of any log at all: nobody knows how far its ids are unique.
A_LOG = "log"
SPANS = "otlp"
# What a field holds where nothing was said of it.
_USUAL = {"attempt": "1", "requests": "1", "grain": "'call'", "status": "'ok'"}


def identified(rows: str, source: str, present: frozenset[str]) -> str:
    """SQL: `rows` with their id, before repeats in the file are told apart."""
    return f"SELECT *, {call_id(source, present)} AS id FROM ({rows})"


def numbered(
    rows: str, good: str, present: frozenset[str], connection: duckdb.DuckDBPyConnection
) -> str:
    """SQL: identified `rows` with repeats resolved: one row seen twice once, equal rows each.

    `good` are the same rows before pricing. Only those that may have an equal pay for a window.
    """
    print_ = fingerprint(present)
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE repeated AS
        SELECT {print_} AS print FROM ({good}) GROUP BY 1 HAVING count(*) > 1""")
    if connection.execute("SELECT count(*) FROM repeated").fetchall() == [(0,)]:
        return rows
    ordinal = "row_number() OVER (PARTITION BY id, attempt ORDER BY line) - 1"
    return f"""
        WITH every AS NOT MATERIALIZED (SELECT *, {print_} AS print FROM ({rows}))
        SELECT * EXCLUDE (print) FROM every ANTI JOIN repeated USING (print)
        UNION ALL BY NAME
        SELECT * EXCLUDE (print, ordinal)
               REPLACE (CASE WHEN ordinal > 0 THEN md5(id || ordinal) ELSE id END AS id)
        FROM (SELECT *, {ordinal} AS ordinal FROM every SEMI JOIN repeated USING (print))
        WHERE ordinal = 0 OR NOT ({has_own_id(present)})"""


def is_known(into: schema.Table, connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the table has any row that a new one could repeat."""
    return bool(connection.execute(f"SELECT 1 FROM {into.name} LIMIT 1").fetchall())


def unknown(
    rows: str, source: str, into: schema.Table, since: str | None, until: str | None
) -> str:
    """SQL: the identified `rows` that the ledger does not have, by the days that can match."""
    there = near(into, since, until)
    key = ", ".join(column for column in into.key if column != "revision")
    fresh = f"SELECT * FROM ({rows}) ANTI JOIN (SELECT {key} FROM ({there})) USING ({key})"
    if into is not schema.CALLS:
        return fresh
    # The gateway made its own ids; the same call from another source meets it by response id.
    metered = f"SELECT provider, response_id FROM ({there}) WHERE source = 'gateway'"
    fresh = f"SELECT * FROM ({fresh}) ANTI JOIN ({metered}) USING (provider, response_id)"
    if source != SPANS:
        return fresh
    # What the gateway exported comes back: where there is no response id, by its row's own key.
    told = f"concat('{SPANS}', chr(31), 'call', 'farthing/', id, '/', attempt)"
    ours = f"SELECT md5({told}) AS id FROM ({there}) WHERE source = 'gateway'"
    return f"SELECT * FROM ({fresh}) ANTI JOIN ({ours}) USING (id)"


def near(into: schema.Table, since: str | None, until: str | None) -> str:
    """SQL: the ledger's rows of the days from which a row of this span may be known."""
    days = (
        f"day BETWEEN {sql.text(since)}::TIMESTAMPTZ::DATE - 1"
        f" AND {sql.text(until)}::TIMESTAMPTZ::DATE + 1"
    )
    return f"SELECT * FROM {into.name} WHERE {days}"


def call_id(source: str, present: frozenset[str]) -> str:
    """SQL for the id of a row; `present` are the fields that the source has at all."""
    arms = []
    if "response_id" in present:
        arms.append(
            "WHEN response_id IS NOT NULL"
            " THEN md5(concat_ws(chr(31), 'response', provider, response_id))"
        )
    if "source_id" in present:
        # Two services may both number their calls from 1: a log's id is only good with its time.
        apart = ", chr(31), epoch_us(time)" if source == A_LOG else ""
        named = f"concat('{source}', chr(31), grain, source_id{apart})"
        arms.append(f"WHEN source_id IS NOT NULL THEN md5({named})")
    # The provider as the source has it: price lists and settings may call it otherwise later.
    hashed = f"md5({_content(present | _DERIVED | {'said_provider'})})"
    return f"CASE {' '.join(arms)} ELSE {hashed} END" if arms else hashed


def has_own_id(present: frozenset[str]) -> str:
    """SQL: whether two rows with this id are one row seen twice, not two equal rows."""
    own = [field for field in ("response_id", "source_id") if field in present]
    return " OR ".join(f"{field} IS NOT NULL" for field in own) or "false"


def fingerprint(present: frozenset[str]) -> str:
    """SQL for a quick 64-bit hash that equal keys share: finds candidates, decides nothing.

    The same before pricing and after it, so it leaves out the provider, whose name that settles.
    """
    own = [field for field in ("response_id", "source_id") if field in present]
    content = _content((present | _DERIVED) - {"provider"})
    if not own:
        return f"hash({content})"
    ids = ", ".join(own)
    return f"CASE WHEN {has_own_id(present)} THEN hash(coalesce({ids})) ELSE hash({content}) END"


def _content(known: frozenset[str]) -> str:
    """SQL for the text that is hashed. chr(31), the unit separator, occurs in no field."""
    placed, apart = ["epoch_us(time)"], 0
    for field in _PLACED:
        apart += 1
        if field in known:
            placed += [f"repeat(chr(31), {apart})", _value(field, known)]
            apart = 0
    placed.append(f"repeat(chr(31), {apart})")
    named = [
        f"chr(31) || '{field}=' || {_value(field, known)}"
        for field in (*_NAMED_TEXTS, *_NAMED_NUMBERS)
        if field in known
    ]
    if "until" in known:
        named.append("chr(31) || 'until=' || epoch_us(until)")
    if "billing_currency" in known:
        named.append("chr(31) || 'billing_currency=' || nullif(billing_currency, 'USD')")
    # concat() passes over NULL, so a named field without a value leaves no trace.
    return f"concat({', '.join([*placed, *named])})"


def _value(field: str, known: frozenset[str]) -> str:
    column = f"said_{field}" if f"said_{field}" in known else field
    if field in _USUAL:
        return f"nullif({column}, {_USUAL[field]})"
    return f"nullif({column}, 0)" if field in _NUMBERS else column


_NUMBERS = {*BUCKETS, "latency_ms", "ttft_ms", *_NAMED_NUMBERS}
