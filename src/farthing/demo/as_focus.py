"""Tell the cloud's bill, and Google's for its model, as FOCUS 1.2 cost and usage rows in CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec

from farthing.demo.bill import Item, Rates, items
from farthing.demo.cloud import Line
from farthing.demo.company import ACCOUNTS
from farthing.demo.world import World
from farthing.domain.money import Money
from farthing.prices.book import Book

# FOCUS 1.2, "Cost and Usage", without the columns of commitments, reservations and foreign money;
# with x_Model, as in farthing's own export, because no column of FOCUS names a model.
COLUMNS: Final = (
    *("BillingAccountId", "BillingAccountName", "BillingAccountType", "BillingCurrency"),
    *("BillingPeriodStart", "BillingPeriodEnd", "InvoiceId", "InvoiceIssuerName"),
    *("ProviderName", "PublisherName", "SubAccountId", "SubAccountName", "SubAccountType"),
    *("ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency"),
    *("ChargePeriodStart", "ChargePeriodEnd"),
    *("BilledCost", "EffectiveCost", "ContractedCost", "ListCost"),
    *("ContractedUnitPrice", "ListUnitPrice", "ConsumedQuantity", "ConsumedUnit"),
    *("PricingCategory", "PricingCurrency", "PricingQuantity", "PricingUnit"),
    *("AvailabilityZone", "RegionId", "RegionName"),
    *("ResourceId", "ResourceName", "ResourceType"),
    *("ServiceCategory", "ServiceName", "ServiceSubcategory"),
    *("SkuId", "SkuMeter", "SkuPriceDetails", "SkuPriceId", "Tags", "x_Model"),
)
_METERS: Final = (
    ("input tokens", ("input_fresh",)),
    ("cached input tokens", ("cache_read",)),
    ("output tokens", ("output_visible", "reasoning")),
)
Row = Mapping[str, Any]


def files(world: World, book: Book) -> Iterator[tuple[str, bytes]]:
    """The cloud's export and Google's, one file each."""
    yield "aws/focus.csv", _csv(_machine(line, world.days) for line in world.cloud)
    rates = Rates(book)
    counted = items(world, "google")
    yield (
        "google/focus.csv",
        _csv(row for item in counted for row in _model(item, rates, world.days)),
    )


def _machine(line: Line, days: tuple[date, ...]) -> Row:
    sku = line.sku
    return {
        **_billing("Amazon Web Services", ACCOUNTS["aws"], days),
        **_priced(line.cost, line.quantity, sku.unit, sku.unit_price),
        **_period(line.time, line.until),
        "ChargeDescription": f"{sku.meter} in US East (N. Virginia)",
        "RegionId": "us-east-1",
        "RegionName": "US East (N. Virginia)",
        "ResourceId": sku.resource,
        "ResourceType": sku.resource_type,
        "ServiceCategory": sku.category,
        "ServiceName": sku.service,
        "ServiceSubcategory": sku.subcategory,
        "SkuId": sku.id,
        "SkuMeter": sku.meter,
        "SkuPriceDetails": sku.details,
        "SkuPriceId": f"{sku.id}.on-demand",
        "Tags": _json({"team": sku.team} if sku.team else {}),
    }


def _model(item: Item, rates: Rates, days: tuple[date, ...]) -> Iterator[Row]:
    """A day's tokens of one project: a row for each meter that ran."""
    start = datetime(item.day.year, item.day.month, item.day.day, tzinfo=UTC)
    model = item.model.served
    for meter, buckets in _METERS:
        count = sum(item.tokens(*buckets).values())
        if count:
            yield {
                **_billing("Google Cloud", ACCOUNTS["google"], days),
                **_priced(
                    rates.cost(item, *buckets),
                    Decimal(count),
                    "Tokens",
                    rates.each(item, buckets[0]).decimal,
                ),
                **_period(start, start + timedelta(days=1)),
                "ChargeDescription": f"{model} {meter}",
                "RegionId": "global",
                "ResourceId": f"publishers/google/models/{model}",
                "ResourceName": model,
                "ResourceType": "Model",
                "ServiceCategory": "AI and Machine Learning",
                "ServiceName": "Vertex AI",
                "ServiceSubcategory": "Generative AI",
                "SkuId": f"{model} {meter}",
                "SkuMeter": meter,
                "SkuPriceId": f"{model} {meter} on-demand",
                "SubAccountId": item.project,
                "SubAccountName": item.project,
                "SubAccountType": "Project" if item.project else None,
                "x_Model": model,
                "Tags": _json({"project": item.project} if item.project else {}),
            }


def _billing(issuer: str, account: str, days: tuple[date, ...]) -> Row:
    following = days[-1] + timedelta(days=1)
    return {
        "BillingAccountId": account,
        "BillingAccountName": "Demo company",
        "BillingAccountType": "Billing Account",
        "BillingCurrency": "USD",
        "BillingPeriodStart": f"{days[0]}T00:00:00Z",
        "BillingPeriodEnd": f"{following}T00:00:00Z",
        "InvoiceId": f"DEMO-{account}-{days[0]:%Y%m}",
        "InvoiceIssuerName": issuer,
        "ProviderName": issuer,
        "PublisherName": issuer,
    }


def _priced(cost: Money, quantity: Decimal, unit: str, unit_price: Decimal) -> Row:
    """At list price: nobody negotiated anything for a demo."""
    costs = ("BilledCost", "ContractedCost", "EffectiveCost", "ListCost")
    plain = f"{unit_price.normalize():f}"
    return {
        **dict.fromkeys(costs, str(cost)),
        "ChargeCategory": "Usage",
        "ChargeFrequency": "Usage-Based",
        "ConsumedQuantity": f"{quantity:f}",
        "ConsumedUnit": unit,
        "ContractedUnitPrice": plain,
        "ListUnitPrice": plain,
        "PricingCategory": "Standard",
        "PricingCurrency": "USD",
        "PricingQuantity": f"{quantity:f}",
        "PricingUnit": unit,
    }


def _period(start: datetime, end: datetime) -> Row:
    return {
        "ChargePeriodStart": f"{start:%Y-%m-%dT%H:%M:%SZ}",
        "ChargePeriodEnd": f"{end:%Y-%m-%dT%H:%M:%SZ}",
    }


def _json(tags: Mapping[str, str]) -> str | None:
    return msgspec.json.encode(tags, order="sorted").decode() if tags else None


def _csv(rows: Iterator[Row]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
