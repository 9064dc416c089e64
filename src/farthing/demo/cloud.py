"""The machines of the demo month: a rented GPU, its storage, and what leaves the cloud."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

import msgspec

from farthing.demo.company import TRAINING
from farthing.demo.dice import Dice
from farthing.domain.money import Money

_PLACES = Decimal("1E-12")


class Sku(msgspec.Struct, frozen=True, kw_only=True):
    """What the cloud sells, at its on-demand list price in us-east-1."""

    id: str
    meter: str
    service: str
    category: str
    subcategory: str
    resource: str
    resource_type: str
    unit: str
    unit_price: Decimal
    team: str | None
    details: str | None = None  # FOCUS SkuPriceDetails


GPU: Final = Sku(
    id="p5.4xlarge",
    meter="p5.4xlarge instance hours",
    service="Amazon Elastic Compute Cloud",
    category="Compute",
    subcategory="Virtual Machines",
    resource="i-0de30a1b2c3d4e5f6",
    resource_type="Virtual Machine",
    unit="Hours",
    unit_price=Decimal("6.88"),
    team=TRAINING,
    details='{"CoreCount":16,"GpuCount":1,"InstanceType":"p5.4xlarge","x_GpuModel":"H100"}',
)
STORAGE: Final = Sku(
    id="s3-standard",
    meter="S3 Standard storage",
    service="Amazon Simple Storage Service",
    category="Storage",
    subcategory="Object Storage",
    resource="demo-training-sets",
    resource_type="Bucket",
    unit="GB-Month",
    unit_price=Decimal("0.023"),
    team=TRAINING,
)
EGRESS: Final = Sku(
    id="data-transfer-out",
    meter="Data transfer out to the internet",
    service="AWS Data Transfer",
    category="Networking",
    subcategory="Network Infrastructure",
    resource="nat-0de30f6e5d4c3b2a1",
    resource_type="NAT Gateway",
    unit="GB",
    unit_price=Decimal("0.09"),
    team=None,  # nobody tagged the gateway: it stays unallocated
)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the cloud's bill. `cost` is quantity times unit price, rounded once."""

    sku: Sku
    time: datetime
    until: datetime
    quantity: Decimal
    cost: Money


def lines(seed: int, days: tuple[date, ...]) -> Iterator[Line]:
    """Training on the nights of working days, storage and egress every day."""
    dice = Dice(seed, "cloud")
    month_share = (2_000 / Decimal(len(days))).quantize(_PLACES, ROUND_HALF_EVEN)
    for day in days:
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        if day.isoweekday() <= 5:  # noqa: PLR2004  Friday
            yield from _training(dice, midnight)
        yield _line(STORAGE, midnight, timedelta(days=1), month_share)
        gigabytes = Decimal(dice.between(6_000, 19_000)) / 1_000
        yield _line(EGRESS, midnight, timedelta(days=1), gigabytes)


def _training(dice: Dice, midnight: datetime) -> Iterator[Line]:
    """Billed by the second, reported by the hour: the last hour is not a whole one."""
    hour, seconds = midnight + timedelta(hours=1), dice.between(3_600, 10_800)
    while seconds > 0:
        used = min(seconds, 3_600)
        quantity = (Decimal(used) / 3_600).quantize(_PLACES, ROUND_HALF_EVEN)
        yield _line(GPU, hour, timedelta(hours=1), quantity)
        hour, seconds = hour + timedelta(hours=1), seconds - used


def _line(sku: Sku, start: datetime, length: timedelta, quantity: Decimal) -> Line:
    cost = (quantity * sku.unit_price).quantize(_PLACES, ROUND_HALF_EVEN)
    return Line(sku=sku, time=start, until=start + length, quantity=quantity, cost=Money.of(cost))
