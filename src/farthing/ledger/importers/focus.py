"""Read FOCUS 1.0 to 1.4 exports: the bills of AWS, Azure, Google Cloud and others, CSV or Parquet.

The version shows in the header. Rows that count model tokens describe calls and compete with
them for the same dollars; everything else (compute, storage, transfer, purchases, credits, tax)
always counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from farthing.domain.errors import BadInput
from farthing.domain.scope import SCOPE
from farthing.ledger import sql
from farthing.ledger.importer import Options, Query, Source
from farthing.ledger.tabular import Tabular, member, tabular

# Mandatory in every version, and nothing is right without them.
MANDATORY = (
    "BilledCost",
    "BillingAccountId",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ContractedCost",
    "EffectiveCost",
    "ListCost",
    "ServiceName",
)
# 1.4 dropped ProviderName and PublisherName.
PROVIDER = ("ProviderName", "ServiceProviderName", "HostProviderName", "PublisherName")
_SIGNATURE = {"BilledCost", "ChargePeriodStart", "EffectiveCost", "ChargeCategory"}
_PLAIN: Mapping[str, str] = {
    "account": "BillingAccountId",
    "charge_category": "ChargeCategory",
    "charge_class": "ChargeClass",
    "charge_description": "ChargeDescription",
    "service_category": "ServiceCategory",
    "service_name": "ServiceName",
    "region": "RegionId",
    "resource_id": "ResourceId",
    "resource_type": "ResourceType",
    "sku_id": "SkuId",
    "sku_meter": "SkuMeter",
    "sku_price_id": "SkuPriceId",
    "consumed_unit": "ConsumedUnit",
    "pricing_unit": "PricingUnit",
    "commitment_id": "CommitmentDiscountId",
    "invoice_id": "InvoiceId",
    "billing_currency": "BillingCurrency",
    "model": "x_Model",
    "requests": "x_CallCount",
}
_AMOUNTS: Mapping[str, str] = {
    "billed_cost": "BilledCost",
    "list_cost": "ListCost",
    "contracted_cost": "ContractedCost",
    "effective_cost": "EffectiveCost",
    "consumed_quantity": "ConsumedQuantity",
    "pricing_quantity": "PricingQuantity",
}
_TIMES: Mapping[str, str] = {"time": "ChargePeriodStart", "until": "ChargePeriodEnd"}
# Where each token bucket of our own export comes back to; see ledger/focus.py.
_METERS: Mapping[str, str] = {
    "input tokens": "input_fresh",
    "cached input tokens": "cache_read",
    "cache write tokens": "cache_write_short",
    "cache write tokens (long)": "cache_write_long",
    "output tokens": "output_visible",
    "reasoning tokens": "reasoning",
}
_TAG_NAMES: Mapping[str, tuple[str, ...]] = {
    "environment": ("environment", "env"),
    "cost_center": ("cost_center", "cost-center", "costcenter"),
}


class Focus:
    name: ClassVar[str] = "focus"
    title: ClassVar[str] = "FOCUS 1.0–1.4 cost and usage export (AWS, Azure, Google Cloud …)"

    def recognises(self, source: Source) -> float:
        try:
            table = tabular(source)
        except BadInput:
            return 0.0
        return 0.95 if table and len(_SIGNATURE & set(table.columns)) >= 3 else 0.0  # noqa: PLR2004

    def read(self, source: Source, options: Options) -> Query:
        table = tabular(source)
        if table is None:
            raise BadInput(source.name, "no table was found in it", "FOCUS is CSV or Parquet.")
        _refuse_lacking(source, table)
        columns = _Columns(table)
        selected = ", ".join(f"{value} AS {field}" for field, value in columns.selected(options))
        names = {**_PLAIN, **_AMOUNTS, **_TIMES}
        return Query(
            f"SELECT {', '.join([selected, *table.extra])} FROM {table.relation}",
            (f"FOCUS {_version(table)}",),
            names,
            table.delimiter,
        )


IMPORTER = Focus()


def _refuse_lacking(source: Source, table: Tabular) -> None:
    lacking = [name for name in MANDATORY if name not in table.columns]
    if not any(name in table.columns for name in PROVIDER):
        lacking.append("ProviderName")
    if lacking:
        raise BadInput(
            source.name,
            f"the FOCUS column {', '.join(lacking)} is missing",
            "Export again with all mandatory columns.",
        )


def _version(table: Tabular) -> str:
    """The oldest version that has the newest column found; exports do not name it."""
    marks = {
        "1.4": ("AllocatedMethodId", "ServiceProviderName"),
        "1.2": ("PricingCurrency", "InvoiceId", "ServiceSubcategory"),
        "1.1": ("SkuMeter", "CommitmentDiscountQuantity", "CapacityReservationId"),
    }
    if "ProviderName" in table.columns:
        del marks["1.4"]
    return next(
        (version for version, names in marks.items() if any(n in table.columns for n in names)),
        "1.0",
    )


class _Columns:
    """SQL for each field of a draft out of the columns that one export has."""

    def __init__(self, table: Tabular) -> None:
        self.table = table

    def selected(self, options: Options) -> Iterator[tuple[str, str]]:
        yield "grain", self._grain()
        yield "describes_calls", self._describes_calls()
        yield "provider", f"coalesce({', '.join(self._text(n) for n in PROVIDER if self._has(n))})"
        for field, name in _TIMES.items():
            yield field, self._moment(name)
        for field, name in _AMOUNTS.items():
            if self._has(name):
                yield field, self._amount(name)
        for field, name in _PLAIN.items():
            if self._has(name):
                yield field, self._text(name)
        yield from self._buckets()
        yield from self._scope()
        yield "other", self._others()
        for field, name in options.columns.items():
            yield field, self._text(name)

    def _has(self, name: str) -> bool:
        return name in self.table.columns

    def _text(self, name: str) -> str:
        # Google Cloud's and the specification's samples write NULL out.
        return f"nullif({self.table.columns[name]}::VARCHAR, 'NULL')" if self._has(name) else "NULL"

    def _grain(self) -> str:
        # Our own export says what its rows were made of; calls come back as usage.
        if not self._has("x_Grain"):
            return "'invoice'"
        counted = f"{self._text('x_Grain')} IN ('call', 'usage')"
        return f"CASE WHEN {counted} THEN 'usage' ELSE 'invoice' END"

    def _describes_calls(self) -> str:
        words = [self._text(n) for n in ("ConsumedUnit", "PricingUnit", "SkuMeter") if self._has(n)]
        counted = " OR ".join(f"coalesce(lower({word}) LIKE '%token%', false)" for word in words)
        if self._has("x_DescribesCalls"):
            return f"coalesce(try_cast({self._text('x_DescribesCalls')} AS BOOLEAN), {counted})"
        return f"{self._text('ChargeCategory')} = 'Usage' AND ({counted or 'false'})"

    def _moment(self, name: str) -> str:
        # Some exports write 5/1/25; ISO 8601 is what the specification asks for.
        text = self._text(name)
        us = f"try_strptime({text}, ['%m/%d/%y', '%m/%d/%Y', '%m/%d/%Y %H:%M'])::VARCHAR"
        return f"CASE WHEN contains({text}, '/') THEN coalesce({us}, {text}) ELSE {text} END"

    def _amount(self, name: str) -> str:
        # Spreadsheets leave "$10,000.00 "; anything else that is odd stays for the checks.
        text = self._text(name)
        dressed = r"\s*-?\$?-?\d{1,3}(,\d{3})*(\.\d+)?\s*"
        plain = f"regexp_replace({text}, '[$,\\s]', '', 'g')"
        return f"CASE WHEN regexp_full_match({text}, '{dressed}') THEN {plain} ELSE {text} END"

    def _buckets(self) -> Iterator[tuple[str, str]]:
        if not (self._has("SkuMeter") and self._has("x_Model")):
            return
        meter, quantity = self._text("SkuMeter"), self._amount("ConsumedQuantity")
        for name, bucket in _METERS.items():
            whole = f"try_cast(try_cast({quantity} AS DECIMAL(38,12)) AS BIGINT)"
            yield bucket, f"CASE WHEN {meter} = {sql.text(name)} THEN {whole} END"

    def _scope(self) -> Iterator[tuple[str, str]]:
        tags = f"CASE WHEN json_valid({self._text('Tags')}) THEN {self._text('Tags')} END"
        if self._has("Tags"):
            yield "tags", tags
        for field in SCOPE:
            own = f"x_{''.join(word.title() for word in field.split('_'))}"
            places = [self._text(own)] if self._has(own) else []
            if self._has("Tags"):
                names = _TAG_NAMES.get(field, (field,))
                spelled = (form for name in names for form in (name, name.title()))
                places += [sql.json_value(f"({tags})", form) for form in spelled]
            if field == "project":
                places += [
                    self._text(n) for n in ("SubAccountName", "SubAccountId") if self._has(n)
                ]
            if places:
                yield field, f"coalesce({', '.join(places)})"

    def _others(self) -> str:
        """Every column that is nowhere else, so that an export can give it back."""
        known = {*_PLAIN.values(), *_AMOUNTS.values(), *_TIMES.values(), "Tags"}
        rest = sorted(name for name in self.table.columns if name not in known)
        members = ", ".join(member(name, self.table.columns[name]) for name in rest)
        return f"'{{' || concat_ws(',', {members}) || '}}'" if members else "NULL::VARCHAR"
