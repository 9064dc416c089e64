"""Cut a month into pages of daily buckets, as the providers' admin APIs hand it out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any

import msgspec

from farthing.demo.bill import Item

DAYS_A_PAGE = 7  # the default `limit` for daily buckets, of OpenAI and of Anthropic
# Decimals become numbers in the JSON text with every digit they have: no float ever holds them.
_ENCODER = msgspec.json.Encoder(decimal_format="number")

Bucket = Callable[[date, list[dict[str, Any]]], dict[str, Any]]
Results = Callable[[Item], Iterator[dict[str, Any]]]


def pages(
    name: str, days: tuple[date, ...], bucket: Bucket, results: Mapping[date, list[dict[str, Any]]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Names and pages; each but the last says where the next one is."""
    starts = range(0, len(days), DAYS_A_PAGE)
    for number, start in enumerate(starts, 1):
        more = number < len(starts)
        yield (
            f"{name}-{number}.json",
            {
                "data": [bucket(day, results[day]) for day in days[start : start + DAYS_A_PAGE]],
                "has_more": more,
                "next_page": f"page_{number + 1}" if more else None,
            },
        )


def by_day(
    days: tuple[date, ...], counted: list[Item], results: Results
) -> dict[date, list[dict[str, Any]]]:
    """What each day's bucket holds; a day without calls has an empty one."""
    found: dict[date, list[dict[str, Any]]] = {day: [] for day in days}
    for item in counted:
        found[item.day] += results(item)
    return found


def encode(page: dict[str, Any]) -> bytes:
    return _ENCODER.encode(page)
