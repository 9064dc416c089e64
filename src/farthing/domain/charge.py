"""One line of a bill, or of a usage page: a FOCUS row that is not a call."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated

import msgspec

from farthing.domain.call import Codes, Grain, Json, Tokens, Unit
from farthing.domain.money import Money

# An amount in the currency it was billed in, or a quantity: exact, DECIMAL(38, 12).
Amount = Annotated[Decimal, Unit("in billing_currency")]
Quantity = Annotated[Decimal, Unit("in the unit column beside it")]


class Charge(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A cost or a usage count for a period, as somebody else recorded it.

    `describes_calls` is True for model usage, which competes with call rows for the same
    dollars (design §4, grain); False for compute, storage, transfer, commitments and credits,
    which always count. Names are those of FOCUS 1.2 in snake case.
    """

    id: str
    revision: int = 0
    booked_at: datetime | None = None
    time: datetime  # ChargePeriodStart, UTC
    until: datetime  # ChargePeriodEnd, UTC, exclusive
    source: str
    grain: Grain  # usage | invoice
    describes_calls: bool = False
    provider: str | None = None
    account: str | None = None
    model: str | None = None
    requests: Annotated[int, Unit("calls")] = 0
    input_fresh: Tokens = 0
    cache_read: Tokens = 0
    cache_write_short: Tokens = 0
    cache_write_long: Tokens = 0
    output_visible: Tokens = 0
    reasoning: Tokens = 0
    details: Json | None = None
    context: Json | None = None
    charge_category: str | None = None  # Usage, Purchase, Tax, Credit, Adjustment
    charge_class: str | None = None  # Correction
    charge_description: str | None = None
    service_category: str | None = None
    service_name: str | None = None
    region: str | None = None
    resource_id: str | None = None
    resource_type: str | None = None
    sku_id: str | None = None
    sku_meter: str | None = None
    sku_price_id: str | None = None
    consumed_quantity: Quantity | None = None
    consumed_unit: str | None = None
    pricing_quantity: Quantity | None = None
    pricing_unit: str | None = None
    commitment_id: str | None = None
    invoice_id: str | None = None
    billing_currency: str = "USD"
    billed_cost: Amount | None = None
    list_cost: Amount | None = None
    contracted_cost: Amount | None = None
    effective_cost: Amount | None = None
    list_usd: Money | None = None
    contracted_usd: Money | None = None
    effective_usd: Money | None = None  # None: unpriced, or a currency without a rate
    billed_usd: Money | None = None  # what the invoice adds up to; a commitment's purchase
    price_ids: Codes | None = None
    team: str | None = None
    project: str | None = None
    feature: str | None = None
    customer: str | None = None
    environment: str | None = None
    cost_center: str | None = None
    key: str | None = None
    tags: Json | None = None
    other: Json | None = None  # every further column of a FOCUS row, for the way back out
    flags: Codes | None = None
