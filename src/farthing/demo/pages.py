"""Answer for a month as the providers' admin APIs do: one page of daily buckets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import msgspec

from farthing.demo.bill import Item

# Decimals become numbers in the JSON text with every digit they have: no float ever holds them.
_ENCODER = msgspec.json.Encoder(decimal_format="number")

Result = dict[str, Any]
Bucket = Callable[[date, list[Result]], dict[str, Any]]


def page(
    days: tuple[date, ...],
    counted: list[Item],
    results: Callable[[Item], Iterator[Result]],
    bucket: Bucket,
) -> dict[str, Any]:
    """All days (asked for with `limit=31`), those without calls included."""
    found: dict[date, list[Result]] = {day: [] for day in days}
    for item in counted:
        found[item.day] += results(item)
    return {
        "data": [bucket(day, found[day]) for day in days],
        "has_more": False,
        "next_page": None,
    }


def encode(answer: dict[str, Any]) -> bytes:
    return _ENCODER.encode(answer)
