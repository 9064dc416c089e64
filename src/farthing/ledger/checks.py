"""Turn what a source said into typed columns, or say which field is wrong and why.

The input is a query whose columns are fields of `draft.Draft`, mostly text. The output has every
field in its type, and `reason`: NULL, or `field: what is wrong` for a row to quarantine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from farthing.domain.call import STATUSES
from farthing.domain.currency import ISO_4217
from farthing.domain.scope import SCOPE
from farthing.ledger import sql

# No model reads a tenth of this in one call; a usage page may cover a year of a large company.
MOST_TOKENS_PER_CALL = 100_000_000
MOST_TOKENS_PER_PERIOD = 10**15
CLOCK_SKEW = timedelta(days=1)
EARLIEST = "2000-01-01"

TEXTS = """
    provider account operation model model_served response_id source_id session_id trace_id
    template_id request_hash charge_category charge_class charge_description
    service_category service_name region resource_id resource_type sku_id sku_meter
    sku_price_id consumed_unit pricing_unit commitment_id invoice_id
""".split()
TEXTS += SCOPE
OBJECTS = ("details", "context", "tags", "other", "flags")
TOKENS = """
    input_total input_fresh cache_read cache_write_short cache_write_long output_total
    output_visible reasoning
""".split()
COUNTS = (*TOKENS, "attempt", "requests")
MEASURES = ("latency_ms", "ttft_ms")
AMOUNTS = """
    reported_usd billed_cost list_cost contracted_cost effective_cost consumed_quantity
    pricing_quantity
""".split()
_NO_TIME = "NULL::TIMESTAMPTZ"
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")


@dataclass(frozen=True, slots=True)
class Defaults:
    """What fills a source's gaps, and when now is."""

    now: datetime
    provider: str | None = None
    model: str | None = None
    account: str | None = None
    date: str | None = None
    epochs: bool = False  # times may be counts since 1970; costs a second parse of every time


def checked(query: str, types: Mapping[str, str], defaults: Defaults) -> str:
    """SQL for the typed rows of `query`, whose columns and DuckDB types are `types`."""
    typed = [f"{_typed(field, types, defaults)} AS {field}" for field in FIELDS]
    raw = [f"{_raw(field, types)} AS raw_{field}" for field in _CHECKED if field in types]
    unreadable = ["unreadable"] if "unreadable" in types else []
    fields = ", ".join(("line", *FIELDS))
    return f"""
        SELECT {fields}, {_reason(types, defaults)} AS reason
        FROM (SELECT line, {", ".join([*typed, *raw, *unreadable])} FROM ({query}))"""


FIELDS = (
    *("grain", "time", "until", *TEXTS, *OBJECTS, *COUNTS, *MEASURES, *AMOUNTS),
    *("status", "describes_calls", "billing_currency"),
)
_CHECKED = ("time", "until", *COUNTS, *MEASURES, *AMOUNTS)


def _raw(field: str, types: Mapping[str, str]) -> str:
    whole = field in COUNTS and types[field] in _WHOLE
    return field if whole else f"nullif({field}::VARCHAR, '')"


def _typed(field: str, types: Mapping[str, str], defaults: Defaults) -> str:  # noqa: C901, PLR0911  one arm per kind of field
    column = field if field in types else None
    if field == "grain":
        return "grain" if column else "'call'"
    if field in ("time", "until"):
        fallback = sql.text(defaults.date) if field == "time" and defaults.date else "NULL"
        return _time(column, types, f"{fallback}::TIMESTAMPTZ", epochs=defaults.epochs)
    if field in COUNTS:
        return f"try_cast({_raw(field, types)} AS BIGINT)" if column else "NULL::BIGINT"
    if field in MEASURES:
        return f"try_cast({column} AS DOUBLE)::BIGINT" if column else "NULL::BIGINT"
    if field in AMOUNTS:
        kind = "DECIMAL(18,12)" if field == "reported_usd" else "DECIMAL(38,12)"
        return f"try_cast({_raw(field, types)} AS {kind})" if column else f"NULL::{kind}"
    if field == "status":
        return _status(column)
    if field == "describes_calls":
        return f"coalesce(try_cast({column} AS BOOLEAN), false)" if column else "false"
    if field == "billing_currency":
        return f"coalesce(upper(nullif(trim({column}), '')), 'USD')" if column else "'USD'"
    return _text(field, column, defaults)


def _text(field: str, column: str | None, defaults: Defaults) -> str:
    default = {
        "provider": defaults.provider,
        "model": defaults.model,
        "account": defaults.account,
    }.get(field)
    given = f"nullif({column}::VARCHAR, '')" if column else "NULL::VARCHAR"
    if field in OBJECTS:
        given = f"nullif(nullif({column}::VARCHAR, '{{}}'), '[]')" if column else "NULL::VARCHAR"
    return f"coalesce({given}, {sql.text(default)})" if default else given


def _time(column: str | None, types: Mapping[str, str], fallback: str, *, epochs: bool) -> str:
    if column is None:
        return fallback
    if types[column].startswith(("TIMESTAMP", "DATE")):
        return f"coalesce({column}::TIMESTAMPTZ, {fallback})"
    iso = f"try_cast({column}::VARCHAR AS TIMESTAMPTZ)"
    absent = f"CASE WHEN {column} IS NULL THEN {fallback} END"
    if not epochs:
        return f"coalesce({iso}, {absent})" if fallback != _NO_TIME else iso
    since_1970 = f"try_cast({column} AS DOUBLE)"
    # Seconds, milliseconds, microseconds or nanoseconds, told apart by size.
    epoch = f"""CASE WHEN {since_1970} BETWEEN 1e8 AND 1e11 THEN {since_1970}
                     WHEN {since_1970} BETWEEN 1e11 AND 1e14 THEN {since_1970} / 1e3
                     WHEN {since_1970} BETWEEN 1e14 AND 1e17 THEN {since_1970} / 1e6
                     WHEN {since_1970} BETWEEN 1e17 AND 1e20 THEN {since_1970} / 1e9 END"""
    return f"coalesce({iso}, to_timestamp({epoch}), {absent})"


def _status(column: str | None) -> str:
    if column is None:
        return "'ok'"
    known = ", ".join(sql.text(status) for status in STATUSES)
    return f"""CASE WHEN {column} IS NULL OR {column} = '' THEN 'ok'
                    WHEN lower({column}) IN ({known}) THEN lower({column})
                    WHEN try_cast({column} AS INTEGER) < 400
                      OR lower({column}) IN ('success', 'succeeded', 'completed', 'true')
                    THEN 'ok' ELSE 'error' END"""


def _reason(types: Mapping[str, str], defaults: Defaults) -> str:
    arms = ["WHEN unreadable IS NOT NULL THEN unreadable"] if "unreadable" in types else []
    arms += _time_arms(types, defaults)
    for field in (*COUNTS, *AMOUNTS, *MEASURES):
        if field in types:
            arms += _number_arms(field, types[field])
    if "billing_currency" in types:
        codes = ", ".join(sql.text(code) for code in sorted(ISO_4217))
        arms.append(
            f"WHEN billing_currency NOT IN ({codes}) THEN 'billing_currency: '''"
            " || billing_currency || ''' is not an ISO 4217 currency code'"
        )
    return f"CASE {' '.join(arms)} END" if arms else "NULL::VARCHAR"


def _time_arms(types: Mapping[str, str], defaults: Defaults) -> list[str]:
    latest = sql.text((defaults.now + CLOCK_SKEW).isoformat())
    said = "coalesce(raw_time, '')" if "time" in types else "''"
    missing = "time: missing; give the day of such rows with --date"
    return [
        f"WHEN time IS NULL AND {said} = '' THEN '{missing}'",
        f"WHEN time IS NULL THEN 'time: ''' || {said} || ''' is not a time (ISO 8601 or epoch)'",
        f"WHEN time > {latest}::TIMESTAMPTZ THEN 'time: ''' || {said} || ''' is in the future'",
        f"WHEN time < '{EARLIEST}'::TIMESTAMPTZ"
        f" THEN 'time: ''' || {said} || ''' is before {EARLIEST}'",
    ]


def _number_arms(field: str, kind: str) -> list[str]:
    raw = f"raw_{field}"
    quoted = f"'{field}: ''' || {raw} || '''"
    if field in MEASURES:
        return []
    if field in AMOUNTS:
        return [
            f"WHEN {raw} IS NOT NULL AND ({field} IS NULL OR lower({raw}) LIKE '%nan%')"
            f" THEN {quoted} is not an amount (plain decimal, dot for the decimals)'"
        ]
    arms = []
    if kind not in _WHOLE:
        arms.append(
            f"WHEN {raw} IS NOT NULL AND ({field} IS NULL OR (contains({raw}, '.')"
            f" AND NOT regexp_full_match({raw}, '-?[0-9]+[.]0*')))"
            f" THEN {quoted} is not a whole number'"
        )
    arms.append(f"WHEN {field} < 0 THEN '{field}: ' || {field} || ' is negative'")
    if field in TOKENS:
        arms.append(
            f"WHEN {field} > CASE grain WHEN 'call' THEN {MOST_TOKENS_PER_CALL}"
            f" ELSE {MOST_TOKENS_PER_PERIOD} END"
            f" THEN '{field}: ' || {field} || ' tokens is absurd'"
        )
    return arms
