"""Every question to the ledger: Ibis expressions, written once, compiled for the engine in use.

Ibis only compiles here: the SQL runs on the connection, which has the views `calls` and
`charges`. All sums are exact; dividing happens in Python. Needs no more than the two views, so
the same expressions run wherever the tables are readable.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from farthing.domain.errors import Refused
from farthing.domain.period import Period
from farthing.domain.scope import SCOPE
from farthing.domain.usage import BUCKETS, INPUT_BUCKETS, OUTPUT_BUCKETS
from farthing.domain.where import All, Condition
from farthing.ledger.schema import CALLS, CHARGES, PARTITION, Table
from farthing.ledger.zones import Offsets, offsets

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

EVERYTHING = Period()
Expression = Any  # Ibis ships no types

AI_SERVICE = "AI and Machine Learning"  # FOCUS ServiceCategory of every call
TIMES = ("hour", "day", "week", "month")
# What people call a column, where that is not its name.
ALIASES = {"service": "service_category", "resource": "resource_id", "session": "session_id"}
FIELDS = (
    *SCOPE,
    "id", "attempt", "revision", "source", "grain", "provider", "account", "operation", "model",
    "model_served", "response_id", "status", "service_category", "service_name", "charge_category",
    "charge_class", "region", "resource_id", "resource_type", "sku_id", "sku_meter",
    "sku_price_id", "session_id", "trace_id", "template_id", "request_hash", "policy_version",
    "arm", "reason", "price_ids", "flags", "billing_currency", "commitment_id", "invoice_id",
)  # fmt: skip
# The spans of charges that a better grain shadows; made by `grain.apply`, empty otherwise.
SHADOWED = "shadowed"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows: a period, filters of which one must hold, and what was booked by a moment."""

    period: Period = EVERYTHING
    where: tuple[All, ...] = ()
    as_of: datetime | None = None


def sql(expression: Expression, dialect: str = "duckdb") -> str:
    return _compiled(expression.op(), dialect)


@lru_cache(maxsize=256)
def _compiled(operation: Any, dialect: str) -> str:
    """Remembered, because compiling takes longer than most questions to a small ledger."""
    import ibis

    return str(ibis.to_sql(operation.to_expr(), dialect=dialect))


def fetch(connection: DuckDBPyConnection, expression: Expression) -> list[tuple[Any, ...]]:
    return connection.execute(sql(expression)).fetchall()


def table(stored: Table) -> Expression:
    """A table of the ledger, unbound."""
    import ibis

    kinds = {"VARCHAR": "string", "BIGINT": "int64", "TIMESTAMPTZ": 'timestamp("UTC")'}
    columns = {column.name: kinds.get(column.sql, column.sql.lower()) for column in stored.columns}
    return ibis.table({**columns, PARTITION: "date"}, name=stored.name)


def held(expression: Expression, name: str) -> Expression:
    """The table of that name, which holds what the expression gives."""
    import ibis

    return ibis.table(expression.schema(), name=name)


def calls(selection: Selection) -> Expression:
    """Calls as entries: the columns that calls and charges share, and what each row counts."""
    import ibis

    rows = selected(table(CALLS), selection)
    counted = (rows.attempt <= 1) & (rows.status != "refused")
    of_calls = {"grain": ibis.literal("call"), "service_category": ibis.literal(AI_SERVICE)}
    entries = rows.mutate(
        **(_lacking(rows) | of_calls),
        cost=rows.effective_usd,
        sign=_sign(rows),
        asked=rows.model,
        model=ibis.coalesce(rows.model, rows.model_served),
        calls=counted.ifelse(_sign(rows), 0),
        unpriced=rows.effective_usd.isnull().ifelse(_sign(rows), 0),
    )
    return entries.filter(matches(entries, selection.where))


def charges(selection: Selection, *, shadowed: bool) -> Expression:
    """Charges as entries. `shadowed` leaves out the spans that a better grain describes."""
    import ibis

    rows = selected(table(CHARGES), selection)
    if shadowed:
        rows = _unshadowed(rows)
    as_billed = ibis.coalesce(rows.effective_cost, rows.billed_cost)
    entries = rows.mutate(
        **_lacking(rows),
        cost=rows.effective_usd,
        calls=rows.requests,
        unpriced=(rows.effective_usd.isnull() & as_billed.isnull()).ifelse(_sign(rows), 0),
        unconverted=rows.effective_usd.isnull().ifelse(as_billed, ibis.null("decimal(38,12)")),
    )
    return entries.filter(matches(entries, selection.where))


def as_stored(stored: Table, selection: Selection, *, shadowed: bool) -> Expression:
    """Rows with the columns of their table and no others. `shadowed` as for charges."""
    rows = selected(table(stored), selection)
    if stored is CHARGES and shadowed:
        rows = _unshadowed(rows)
    if not selection.where:
        return rows
    entries = calls(selection) if stored is CALLS else charges(selection, shadowed=False)
    return rows.semi_join(entries.select(*stored.key), stored.key)


# A row as others read it; `calls --jsonl` is made of these, in this order.
LISTED = (
    "id", "attempt", "revision", "time", "source", "grain", "provider", "account", "response_id",
    "model", *BUCKETS, "list_usd", "contracted_usd", "effective_usd", "counterfactual_usd",
    "reason", "price_ids", "policy_version", "arm", *SCOPE, "tags", "status", "flags",
)  # fmt: skip


def listed(entries: Expression) -> Expression:
    """Single rows with the columns of LISTED, times as ISO 8601 text."""
    import ibis

    lacking = {name: ibis.null("string") for name in LISTED if name not in entries.columns}
    time = entries.time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return entries.mutate(**lacking, time=time).select(*LISTED)


def latest(entries: Expression, limit: int) -> Expression:
    return entries.order_by(entries.time.desc()).limit(limit)


def sums(entries: Expression, keys: dict[str, Expression]) -> Expression:
    """What the entries of each group add up to. `keys` are expressions on the entries."""
    keyed = entries.mutate(**keys)
    totals = {
        "calls": keyed.calls.sum(),
        "input_tokens": _total(keyed, INPUT_BUCKETS).sum(),
        "output_tokens": _total(keyed, OUTPUT_BUCKETS).sum(),
        "cost": keyed.cost.sum(),
        "unpriced": keyed.unpriced.sum(),
    }
    grouped = keyed.group_by(list(keys)) if keys else keyed
    return grouped.aggregate(**totals)


def call_sums(calls: Expression, keys: dict[str, Expression], model: str | None) -> Expression:
    """The same as `sums`, for calls: summed by columns as they are stored, then by key.

    Engines group stored columns fast. What is worked out of them (a sign, whether a row counts,
    the model where none was asked for: the key named `model`) is looked at once a group.
    """
    import ibis

    stored = {name: key for name, key in keys.items() if name != model}
    names = ["asked", "model_served"] if model else []
    keyed = calls.mutate(**stored)
    inner = keyed.group_by([*stored, *names, "attempt", "status", "revision"]).aggregate(
        rows=keyed.count(),
        priced=keyed.cost.count(),
        input_tokens=_total(keyed, INPUT_BUCKETS).sum(),
        output_tokens=_total(keyed, OUTPUT_BUCKETS).sum(),
        cost=keyed.cost.sum(),
    )
    outer = inner.mutate(**{model: ibis.coalesce(inner.asked, inner.model_served)} if model else {})
    sign = _sign(outer)
    counted = (outer.attempt <= 1) & (outer.status != "refused")
    totals = {
        "calls": (outer.rows * sign).sum(where=counted),
        "input_tokens": outer.input_tokens.sum(),
        "output_tokens": outer.output_tokens.sum(),
        "cost": outer.cost.sum(),
        "unpriced": ((outer.rows - outer.priced) * sign).sum(),
    }
    grouped = outer.group_by(list(keys)) if keys else outer
    return grouped.aggregate(**totals)


def unpriced(entries: Expression) -> Expression:
    """Which models have rows without a price, and how many rows."""
    rows = entries.filter(entries.cost.isnull())
    grouped = rows.group_by("provider", "model").aggregate(rows=rows.unpriced.sum())
    return grouped.filter(grouped.rows > 0)


def unconverted(charges: Expression) -> Expression:
    """What was billed in currencies that have no rate, as billed."""
    rows = charges.filter(charges.unconverted.notnull())
    return rows.group_by("billing_currency").aggregate(amount=rows.unconverted.sum())


def coverage(entries: Expression, names: Sequence[str]) -> Expression:
    """One row: the cost of the entries that have each field or tag, in the order of `names`."""
    utc = Offsets((), 0)
    return entries.aggregate(
        **{
            f"c{index}": entries.cost.sum(where=field(entries, name, utc).notnull())
            for index, name in enumerate(names)
        }
    )


# What a metered line is the sum of; costs, tokens and calls follow.
METERED = ("hour", "provider", "account", "model", *SCOPE, "tags", "price_ids")


def metered(calls: Expression) -> Expression:
    """Priced calls per UTC hour, account, model, scope, tags and price. See METERED."""
    import ibis

    rows = calls.filter(calls.effective_usd.notnull())
    contracted = ibis.coalesce(rows.contracted_usd, rows.effective_usd)
    keyed = rows.mutate(
        hour=_local(rows, "hour", Offsets((), 0)),
        contracted_or_effective=contracted,
        list_or_less=ibis.coalesce(rows.list_usd, contracted),
    )
    return keyed.group_by(*METERED).aggregate(
        calls=keyed.calls.sum(),
        list_usd=keyed.list_or_less.sum(),
        contracted_usd=keyed.contracted_or_effective.sum(),
        effective_usd=keyed.effective_usd.sum(),
        **{f"{bucket}_sum": keyed[bucket].sum() for bucket in BUCKETS},
    )


def as_charges(charges: Expression) -> Expression:
    """Charges with all their columns, times as ISO 8601 text: `start` and `end`."""
    form = "%Y-%m-%dT%H:%M:%SZ"
    kept = [column.name for column in CHARGES.columns if column.sql != "TIMESTAMPTZ"]
    return charges.select(
        *kept, start=charges.time.strftime(form), end=charges.until.strftime(form)
    )


def without_price(entries: Expression) -> Expression:
    rows = entries.filter(entries.cost.isnull())
    return rows.aggregate(rows=rows.unpriced.sum())


# A price that is not the standard one shows in what a row says of tier and processing.
_TIERS = '"(batch|flex|priority|scale|fast)"'


def compared(entries: Expression, clock: Offsets) -> Expression:
    """What reconcile sets side by side: sums per local day, grain, model served and project."""
    import ibis

    # Kept for the charges' sake: what their SKU counted, where it counted tokens.
    billed = {"consumed_unit": "string", "consumed_quantity": "decimal(38,12)"}
    lacking = {
        name: ibis.null(kind) for name, kind in billed.items() if name not in entries.columns
    }
    keyed = entries.mutate(
        **lacking,
        local=_local(entries, "day", clock),
        served=ibis.coalesce(entries.model_served, entries.model),
    )
    token_unit = _certain(keyed.consumed_unit.lower() == "tokens")
    return keyed.group_by("local", "grain", "served", "project").aggregate(
        cost=keyed.cost.sum(),
        calls=keyed.calls.sum(),
        tokens=_total(keyed, BUCKETS).sum(),
        consumed=keyed.consumed_quantity.sum(where=token_unit),
        unpriced=keyed.unpriced.sum(),
        recovered=keyed.calls.sum(where=keyed.status == "recovered"),
        tiered=keyed.count(where=keyed.context.re_search(_TIERS)),
        credit=keyed.cost.sum(where=keyed.charge_category == "Credit"),
    )


def recovered(calls: Expression, provider: str, clock: Offsets) -> Expression:
    """All revisions of a provider's recovered calls, with what reconcile compares them by."""
    import ibis

    rows = calls.filter(calls.provider == provider, calls.status == "recovered")
    return rows.select(
        "id",
        "attempt",
        "revision",
        local=_local(rows, "day", clock),
        served=ibis.coalesce(rows.model_served, rows.model),
        project=rows.project,
        cost=rows.cost,
    )


def billing_calls(charges: Expression) -> Expression:
    """The charges that tell of calls, and the credits against them."""
    return charges.filter(charges.describes_calls | _certain(charges.charge_category == "Credit"))


def later_attempts(selection: Selection) -> Expression:
    """One row, if any call took more than one attempt."""
    rows = selected(table(CALLS), selection)
    return rows.filter(rows.attempt > 1).select("attempt").limit(1)


def attempts(selection: Selection, by: Sequence[str], clock: Offsets) -> Expression:
    """Per group, the calls of several attempts: whether it saw the first, and a later one.

    `sums` counts a call where its first attempt is. Where another model or provider took over,
    the call is a call of that group too: `fallbacks` counts those, so that calls are distinct
    ids without the engine having to tell all ids apart.
    """
    entries = calls(selection)
    entries = entries.filter(entries.status != "refused")
    several = entries.semi_join(entries.filter(entries.attempt > 1).select("id").distinct(), "id")
    keyed = several.mutate(**named_keys(several, by, clock))
    return keyed.group_by([*(f"k{index}" for index, _ in enumerate(by)), "id"]).aggregate(
        early=keyed.sign.sum(where=keyed.attempt <= 1).fill_null(0),
        late=keyed.sign.sum(where=keyed.attempt > 1).fill_null(0),
    )


def fallbacks(attempts: Expression, keys: Sequence[str]) -> Expression:
    """Per group, or in all without keys: the calls of which only later attempts came to it.

    `attempts` may be the expression of that name or a table that holds its result.
    """
    per_id = attempts.group_by([*keys, "id"]).aggregate(
        early=attempts.early.sum(), late=attempts.late.sum()
    )
    only_late = per_id.filter((per_id.late > 0) & (per_id.early <= 0))
    grouped = only_late.group_by(list(keys)) if keys else only_late
    return grouped.aggregate(calls=only_late.count())


def named_keys(entries: Expression, by: Sequence[str], clock: Offsets) -> dict[str, Expression]:
    return {f"k{index}": field(entries, name, clock) for index, name in enumerate(by)}


def field(entries: Expression, name: str, clock: Offsets) -> Expression:
    """A dimension of the entries: a local time, a column, or a tag of that name."""
    if name in TIMES:
        return _local(entries, name, clock)
    column = ALIASES.get(name, name)
    if not is_tag(name):
        found = entries[column]
        return found if found.type().is_string() else found.cast("string")
    return _tag(entries.tags, name.removeprefix("tag.").removeprefix("tags."))


def is_tag(name: str) -> bool:
    """Whether a dimension of that name is looked for among the tags."""
    return name not in TIMES and ALIASES.get(name, name) not in FIELDS


def label(name: str, value: Any, zone: ZoneInfo) -> str | None:
    """A dimension's value as text: days and weeks (their Monday) as dates, hours with offset."""
    if value is None or name not in TIMES:
        return None if value is None else str(value)
    if name == "hour":
        return datetime.fromtimestamp(value, zone).isoformat(timespec="minutes")
    return str(value)[:7] if name == "month" else str(value)[:10]


def matches(entries: Expression, where: tuple[All, ...]) -> Expression:
    """Whether an entry passes one of the filters; never null, so that it can be negated."""
    import ibis

    if not where:
        return ibis.literal(value=True)
    return ibis.or_(
        *(ibis.and_(*(_condition(entries, condition) for condition in every)) for every in where)
    )


def first_match(entries: Expression, filters: Sequence[tuple[All, ...]]) -> Expression:
    """The index of the first filter that an entry passes, null for none."""
    import ibis

    branches = [(matches(entries, where), index) for index, where in enumerate(filters)]
    return ibis.cases(*branches, else_=ibis.null("int8"))


def holds(where: tuple[All, ...], values: dict[str, str]) -> bool:
    """`matches` for one entry that is known in Python; a field it lacks is null."""
    return not where or any(
        all(_holds(condition, values.get(condition.field)) for condition in every)
        for every in where
    )


def clock(connection: DuckDBPyConnection, zone: ZoneInfo, period: Period) -> Offsets:
    """The offsets of `zone` over the period, or over all that the ledger holds where it is open."""
    if str(zone) == "UTC":
        return Offsets((), 0)
    first, last = period.since, period.until
    if first is None or last is None:
        held = [day for name in (CALLS, CHARGES) for day in _held(connection, name)]
        if not held:
            return Offsets((), 0)
        return offsets(
            zone, first.date() if first else min(held), last.date() if last else max(held)
        )
    return offsets(zone, first.date(), last.date())


def _held(connection: DuckDBPyConnection, stored: Table) -> list[date]:
    rows = table(stored)
    found = fetch(connection, rows.aggregate(first=rows.day.min(), last=rows.day.max()))
    return [day for day in found[0] if day is not None]


def _lacking(rows: Expression) -> dict[str, Expression]:
    """The fields that a table does not have, as nulls."""
    import ibis

    return {name: ibis.null("string") for name in FIELDS if name not in rows.columns}


def _total(rows: Expression, buckets: Sequence[str]) -> Expression:
    first, *others = (rows[bucket] for bucket in buckets)
    return sum(others, first)


def _sign(rows: Expression) -> Expression:
    """1 for a booking, -1 for a reversal (an odd revision)."""
    return 1 - rows.revision % 2 * 2


def selected(rows: Expression, selection: Selection) -> Expression:
    period = selection.period
    if period.since is not None:
        rows = rows.filter(*_from(rows, period.since))
    if period.until is not None:
        rows = rows.filter(*_before(rows, period.until))
    if selection.as_of is not None:
        import ibis

        booked = ibis.coalesce(rows.booked_at, rows.time)
        rows = rows.filter(booked <= _timestamp(selection.as_of))
    return rows


def _from(rows: Expression, since: datetime) -> list[Expression]:
    """Days prune partitions; midnight UTC needs no look at the time."""
    conditions = [rows.day >= literal_date(since.astimezone(UTC).date())]
    return conditions if _midnight(since) else [*conditions, rows.time >= _timestamp(since)]


def _before(rows: Expression, until: datetime) -> list[Expression]:
    day = literal_date(until.astimezone(UTC).date())
    if _midnight(until):
        return [rows.day < day]
    return [rows.day <= day, rows.time < _timestamp(until)]


def _midnight(moment: datetime) -> bool:
    return moment.astimezone(UTC).time() == time()


def _timestamp(moment: datetime) -> Expression:
    import ibis

    return ibis.timestamp(moment.astimezone(UTC).isoformat())


def literal_date(day: date) -> Expression:
    import ibis

    return ibis.date(day.isoformat())


def _unshadowed(rows: Expression) -> Expression:
    import ibis

    spans = ibis.table(
        {"provider": "string", "account": "string", "first": "date", "last": "date",
         "grain": "string"},
        name=SHADOWED,
    )  # fmt: skip
    first, last = span(rows)
    return rows.anti_join(
        spans,
        [
            rows.describes_calls,
            rows.provider.identical_to(spans.provider),
            rows.account.identical_to(spans.account),
            first == spans["first"],
            last == spans["last"],
            rows.grain == spans.grain,
        ],
    )


def span(charges: Expression) -> tuple[Expression, Expression]:
    """The first and the last UTC day that a charge covers."""
    import ibis

    last = (charges.until - ibis.interval(microseconds=1)).date()
    return charges.day, ibis.greatest(charges.day, last)


def _local(entries: Expression, name: str, clock: Offsets) -> Expression:
    if name == "hour":
        offset = clock.seconds(entries.time)
        return (entries.time.epoch_seconds() + offset) // 3600 * 3600 - offset
    day = entries.day if clock.is_utc else clock.local(entries.time).date()
    return day if name == "day" else day.truncate({"week": "W", "month": "M"}[name])


def _condition(entries: Expression, condition: Condition) -> Expression:
    if condition.field in TIMES:
        raise Refused(f"Filter by {condition.field} with --since and --until, not with --where.")
    column = field(entries, condition.field, Offsets((), 0))
    if condition.value is None:
        return column.notnull() if condition.operator == "!=" else column.isnull()
    if condition.operator == "~":
        return _certain(column.re_search(_pattern(condition.value)))
    equal = _certain(column == condition.value)
    return ~equal if condition.operator == "!=" else equal


def _certain(found: Expression) -> Expression:
    import ibis

    return ibis.coalesce(found, ibis.literal(value=False))


def _holds(condition: Condition, value: str | None) -> bool:
    if condition.operator == "~" and condition.value is not None:
        return value is not None and re.search(_pattern(condition.value), value) is not None
    return (value == condition.value) is not (condition.operator == "!=")


def _pattern(glob: str) -> str:
    """The glob as a regular expression that RE2, PCRE and Java read alike."""
    parts = re.findall(r"\[!?[^\]]+\]|.", glob, re.DOTALL)
    return f"^{''.join(map(_part, parts))}$"


def _part(part: str) -> str:
    if part in "*?":
        return {"*": ".*", "?": "."}[part]
    if len(part) > 1:
        inside = part[1:-1].replace("\\", "\\\\")
        return f"[^{inside[1:]}]" if inside.startswith("!") else f"[{inside}]"
    return re.escape(part)


def _tag(tags: Expression, name: str) -> Expression:
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return _json_text()(tags, f'$."{quoted}"')


@cache
def _json_text() -> Any:
    """The engine's own reader of one value of a JSON text, which Ibis passes through by name."""
    import ibis

    @ibis.udf.scalar.builtin(name="json_extract_string", signature=(("string", "string"), "string"))
    def json_extract_string(text, path):  # type: ignore[no-untyped-def]
        ...

    return json_extract_string
