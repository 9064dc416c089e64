"""The ledger as a FOCUS file: calls by hour and kind of token, charges as they came.

What counts in a report is what is written, so the file's EffectiveCost sums to the report's
total. A call's cost is shared out over its meters exactly. Rows without a price are left out
and counted: FOCUS knows no unknown cost, and 0 would be a lie.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farthing.domain.errors import DiskFull, Refused, Unavailable
from farthing.domain.money import Money
from farthing.domain.scope import SCOPE
from farthing.domain.usage import BUCKETS
from farthing.ledger import grain, queries, sql
from farthing.ledger.focus_columns import AMOUNTS, COLUMNS, OWN, TIMES
from farthing.ledger.meters import Part, Rates, shared_out
from farthing.ledger.queries import AI_SERVICE, Selection
from farthing.ledger.schema import CHARGES

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BATCH = 5_000
UNKNOWN = "unknown"  # for what FOCUS demands and the ledger does not know
_NO_SPACE = 28  # errno.ENOSPC

Row = dict[str, str | None]
# Both rates of a price: list, contracted.
Prices = Mapping[str, tuple[Rates, Rates]]


@dataclass(frozen=True, slots=True)
class Written:
    """What an export came to."""

    rows: int
    cost: Money  # of what is in USD
    left_out: int  # rows without a price


def export(
    connection: DuckDBPyConnection,
    selection: Selection,
    version: str,
    out: Path,
    prices: Prices,
) -> Written:
    """Write the selection as `out`, .csv or .parquet, all or nothing."""
    if version not in COLUMNS:
        raise Refused(f"FOCUS {version} cannot be written. Use --version {' or '.join(COLUMNS)}.")
    if out.suffix not in {".csv", ".parquet"}:
        raise Refused(f"{out} is neither CSV nor Parquet. Name it .csv or .parquet.")
    grain.settle(connection, selection)
    columns = (*COLUMNS[version], *_own_columns(connection))
    part = out.with_name(f".{out.name}.part")
    try:
        count, cost = _write(part, columns, rows(connection, selection, version, prices))
        if out.suffix == ".parquet":
            _to_parquet(connection, part, columns)
        part.replace(out)
    except OSError as error:
        raise _unwritable(out, error) from error
    finally:
        part.unlink(missing_ok=True)
    return Written(count, cost, _left_out(connection, selection))


def rows(
    connection: DuckDBPyConnection, selection: Selection, version: str, prices: Prices
) -> Iterator[Row]:
    """Every line of the export, with the columns it has a value for."""
    metered = queries.metered(queries.calls(selection))
    for group in _stream(connection, metered):
        yield from _metered(group, version, prices)
    charges = queries.charges(selection, shadowed=True)
    for charge in _stream(connection, queries.as_charges(charges)):
        row = _charge(charge, version)
        if row is not None:
            yield row


def prices_of(connection: DuckDBPyConnection, files: Sequence[str]) -> Prices:
    """The rates behind every price id, from the files of the workspace's price table."""
    if not files:
        return {}
    listed = ", ".join(sql.text(file) for file in files)
    found = connection.execute(
        "SELECT price_id, unit, list_atto, contracted_atto "
        f"FROM read_parquet([{listed}], hive_partitioning = false)"
    ).fetchall()
    prices: dict[str, tuple[dict[str, int], dict[str, int]]] = {}
    for price_id, unit, list_atto, contracted_atto in found:
        both = prices.setdefault(price_id, ({}, {}))
        both[0][unit], both[1][unit] = int(list_atto), int(contracted_atto)
    return prices


def _metered(group: Mapping[str, Any], version: str, prices: Prices) -> Iterator[Row]:
    """One line for each meter of an hour's calls of one scope, model and price."""
    tokens = {bucket: int(group[f"{bucket}_sum"] or 0) for bucket in BUCKETS}
    costs = [Money.of(group[name]) for name in ("list_usd", "contracted_usd", "effective_usd")]
    calls = int(group["calls"] or 0)
    if not calls and not any(costs) and not any(tokens.values()):
        return
    rates = prices.get(group["price_ids"] or "")
    by_list, by_contract = rates if rates else (None, None)
    shared = (
        shared_out(costs[0], tokens, calls, by_list, costs[0]),
        shared_out(costs[1], tokens, calls, by_contract, costs[1]),
        shared_out(costs[2], tokens, calls, by_contract, costs[1]),
    )
    common = _of_calls(group, version, "rates" if rates else "tokens")
    for place, meter in enumerate(dict.fromkeys(p.meter for parts in shared for p in parts)):
        parts = [next((p for p in parts if p.meter == meter), None) for parts in shared]
        yield {
            **common,
            **_line(meter, parts, group["price_ids"], rates),
            "x_CallCount": str(calls if place == 0 else 0),
        }


def _line(
    meter: str,
    parts: Sequence[Part | None],
    price_id: str | None,
    rates: tuple[Rates, Rates] | None,
) -> Row:
    list_cost, contracted, effective = (part.cost if part else Money.ZERO for part in parts)
    part = next(part for part in parts if part)
    row: Row = {
        "SkuMeter": meter,
        "ListCost": str(list_cost),
        "ContractedCost": str(contracted),
        "EffectiveCost": str(effective),
        "BilledCost": str(effective),
        "PricingCurrencyEffectiveCost": str(effective),
    }
    if part.tokens is not None:
        row |= dict.fromkeys(("ConsumedQuantity", "PricingQuantity"), str(part.tokens))
        row |= dict.fromkeys(("ConsumedUnit", "PricingUnit"), "Tokens")
        row |= _unit_prices(part, (list_cost, contracted), price_id, rates)
    return row


def _unit_prices(
    part: Part,
    costs: tuple[Money, Money],
    price_id: str | None,
    rates: tuple[Rates, Rates] | None,
) -> Row:
    """The prices of one token, where price x tokens is the cost as FOCUS demands it."""
    if rates is None or part.bucket is None or part.tokens is None:
        return {}
    each = [Decimal(side.get(part.bucket, 0)).scaleb(-18) for side in rates]
    off = max(
        abs(price * part.tokens - cost.decimal) for price, cost in zip(each, costs, strict=True)
    )
    if off > Decimal("1e-9"):
        return {}
    return {
        "SkuPriceId": price_id,
        "ListUnitPrice": f"{each[0].normalize():f}",
        "ContractedUnitPrice": f"{each[1].normalize():f}",
    }


def _of_calls(group: Mapping[str, Any], version: str, basis: str) -> Row:
    start = datetime.fromtimestamp(group["hour"], UTC)
    tags = json.loads(group["tags"]) if group["tags"] else {}
    tags |= {name: group[name] for name in SCOPE if group[name] is not None}
    provider = group["provider"] or UNKNOWN
    return {
        **_providers(provider, version),
        **_billing_period(start),
        "InvoiceIssuerName": provider,
        "BillingAccountId": group["account"] or UNKNOWN,
        "BillingAccountType": "Account",
        "BillingCurrency": "USD",
        "PricingCurrency": "USD",
        "ChargePeriodStart": _time(start),
        "ChargePeriodEnd": _time(start + timedelta(hours=1)),
        "ChargeCategory": "Usage",
        "ChargeDescription": f"{group['model'] or UNKNOWN} on {provider}",
        "ChargeFrequency": "Usage-Based",
        "PricingCategory": "Standard",
        "ServiceCategory": AI_SERVICE,
        "ServiceSubcategory": "Generative AI",
        "ServiceName": provider,
        "SkuId": group["model"],
        "SubAccountId": group["project"],
        "SubAccountName": group["project"],
        "SubAccountType": "Project" if group["project"] else None,
        "Tags": json.dumps(dict(sorted(tags.items())), ensure_ascii=False) if tags else None,
        "x_CostBasis": basis,
        "x_DescribesCalls": "true",
        "x_Grain": "call",
        "x_Model": group["model"],
    }


def _charge(charge: Mapping[str, Any], version: str) -> Row | None:
    """A charge with every column it came with; None where its cost is unknown."""
    costs = _costs(charge)
    if costs is None:
        return None
    other = {
        name: value
        for name, value in (json.loads(charge["other"]) if charge["other"] else {}).items()
        if name in COLUMNS[version] or name.startswith("x_")
    }
    start = datetime.fromisoformat(charge["start"])
    category = charge["service_category"] or "Other"
    provider = charge["provider"] or UNKNOWN
    usual: Row = {
        **_billing_period(start),
        "InvoiceIssuerName": provider,
        "BillingAccountType": "Account",
        "ChargeFrequency": "Usage-Based" if _is_usage(charge) else "One-Time",
        "ServiceSubcategory": f"Other ({category})",
        "PricingCurrency": costs["BillingCurrency"],
        "PricingCurrencyEffectiveCost": costs["EffectiveCost"],
    }
    found = {**usual, **{name: value for name, value in other.items() if value}}
    return {
        **found,
        **{name: found.get(name) or value for name, value in _providers(provider, version).items()},
        **costs,
        **_quantities(charge),
        **{name: charge[field] for name, field in _AS_IS.items() if charge[field] is not None},
        "BillingAccountId": charge["account"] or UNKNOWN,
        "ServiceCategory": category,
        "ServiceName": charge["service_name"] or provider,
        "ChargeCategory": charge["charge_category"] or "Usage",
        "ChargeClass": charge["charge_class"] or ("Correction" if charge["revision"] else None),
        "ChargePeriodStart": charge["start"],
        "ChargePeriodEnd": charge["end"],
        "Tags": _charge_tags(charge),
        "x_CallCount": str(charge["requests"]),
        "x_DescribesCalls": str(charge["describes_calls"]).lower(),
        "x_Grain": charge["grain"],
        "x_Model": charge["model"],
    }


_AS_IS = {
    "ChargeDescription": "charge_description",
    "RegionId": "region",
    "ResourceId": "resource_id",
    "ResourceType": "resource_type",
    "SkuId": "sku_id",
    "SkuMeter": "sku_meter",
    "SkuPriceId": "sku_price_id",
    "CommitmentDiscountId": "commitment_id",
    "InvoiceId": "invoice_id",
}


def _costs(charge: Mapping[str, Any]) -> dict[str, str] | None:
    """As billed, in its currency; a usage page that was priced here, in USD."""
    effective, suffix, currency = charge["effective_cost"], "_cost", charge["billing_currency"]
    if effective is None:
        effective, suffix, currency = charge["effective_usd"], "_usd", "USD"
    if effective is None:
        return None
    contracted = _first(charge[f"contracted{suffix}"], effective)
    return {
        "BillingCurrency": currency,
        "EffectiveCost": _number(effective),
        "BilledCost": _number(_first(charge[f"billed{suffix}"], effective)),
        "ContractedCost": _number(contracted),
        "ListCost": _number(_first(charge[f"list{suffix}"], contracted)),
    }


def _quantities(charge: Mapping[str, Any]) -> Row:
    """Quantities with their units; FOCUS wants consumption only of usage."""
    found: Row = {"ConsumedQuantity": None, "ConsumedUnit": None}
    found |= {"PricingQuantity": None, "PricingUnit": None}
    kinds = (("Consumed", "consumed"), ("Pricing", "pricing"))
    for name, field in kinds if _is_usage(charge) else kinds[1:]:
        quantity, unit = charge[f"{field}_quantity"], charge[f"{field}_unit"]
        if quantity is not None and unit:
            found |= {f"{name}Quantity": _number(quantity), f"{name}Unit": unit}
    return found


def _charge_tags(charge: Mapping[str, Any]) -> str | None:
    tags = json.loads(charge["tags"]) if charge["tags"] else {}
    for name in SCOPE:
        if charge[name] is not None:
            tags.setdefault(name, charge[name])
    return json.dumps(dict(sorted(tags.items())), ensure_ascii=False) if tags else None


def _is_usage(charge: Mapping[str, Any]) -> bool:
    return (charge["charge_category"] or "Usage") == "Usage"


def _providers(provider: str, version: str) -> Row:
    if version == "1.4":
        return {"ServiceProviderName": provider, "HostProviderName": provider}
    return {"ProviderName": provider, "PublisherName": provider}


def _billing_period(start: datetime) -> Row:
    first = start.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = (first + timedelta(days=32)).replace(day=1)
    return {"BillingPeriodStart": _time(first), "BillingPeriodEnd": _time(following)}


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _number(value: Decimal) -> str:
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def _first(value: Decimal | None, otherwise: Decimal) -> Decimal:
    return otherwise if value is None else value


def _own_columns(connection: DuckDBPyConnection) -> tuple[str, ...]:
    """Ours and those `x_` columns that charges came with."""
    found = connection.execute(
        f"SELECT DISTINCT unnest(json_keys(other)) FROM {CHARGES.name} WHERE other IS NOT NULL"
    ).fetchall()
    return tuple(sorted({*OWN, *(name for (name,) in found if name.startswith("x_"))}))


def _stream(connection: DuckDBPyConnection, expression: Any) -> Iterator[dict[str, Any]]:
    result = connection.execute(queries.sql(expression))
    names = [column[0] for column in result.description or ()]
    while batch := result.fetchmany(BATCH):
        for row in batch:
            yield dict(zip(names, row, strict=True))


def _write(part: Path, columns: Sequence[str], rows: Iterable[Row]) -> tuple[int, Money]:
    count, cost = 0, Money.ZERO
    with part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow(row)
            count += 1
            if row["BillingCurrency"] == "USD":
                cost += Money.of(row["EffectiveCost"] or "0")
    return count, cost


def _to_parquet(connection: DuckDBPyConnection, part: Path, columns: Sequence[str]) -> None:
    """The same file with amounts as decimals and times as timestamps."""
    typed = ", ".join(f"{_typed(name)} AS {sql.name(name)}" for name in columns)
    target = part.with_name(f"{part.name}quet")
    try:
        connection.execute(
            f"COPY (SELECT {typed} FROM read_csv({sql.text(str(part))}, all_varchar = true, "
            f"header = true, nullstr = '', delim = ',', quote = '\"', escape = '\"')) "
            f"TO {sql.text(str(target))} (FORMAT parquet, COMPRESSION zstd)"
        )
        target.replace(part)
    finally:
        target.unlink(missing_ok=True)


def _typed(name: str) -> str:
    column = sql.name(name)
    if name in AMOUNTS:
        # A price of one token needs more places than a cost.
        return f"{column}::DECIMAL(38,{18 if name.endswith('Price') else 12})"
    return f"{column}::TIMESTAMPTZ" if name in TIMES else column


def _left_out(connection: DuckDBPyConnection, selection: Selection) -> int:
    entries = (queries.calls(selection), queries.charges(selection, shadowed=True))
    found = [queries.fetch(connection, queries.without_price(each))[0][0] for each in entries]
    return sum(int(count or 0) for count in found)


def _unwritable(out: Path, error: OSError) -> Refused | Unavailable:
    if error.errno == _NO_SPACE:
        return DiskFull(str(out.parent))
    return Refused(f"{out} cannot be written: {error.strerror}. Choose another --out.")
