"""Tell the month as OpenAI's usage and cost APIs would: daily buckets.

`GET /v1/organization/usage/completions` and `/v1/organization/costs`, grouped by project and
model, or project and line item. Shapes as in `openai.types.admin.organization`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from farthing.demo.bill import Item, Rates, items
from farthing.demo.pages import encode, page
from farthing.demo.world import World
from farthing.domain.money import Money
from farthing.prices.book import Book

# What a line item calls each kind of token.
_LINES = (
    ("input", ("input_fresh",)),
    ("cached input", ("cache_read",)),
    ("output", ("output_visible", "reasoning")),
)


def files(world: World, book: Book) -> Iterator[tuple[str, bytes]]:
    """Names and contents: one answer of each API, with the whole month on one page."""
    counted = items(world, "openai")
    rates = Rates(book)
    usage = page(world.days, counted, _usage, _bucket)
    costs = page(world.days, counted, lambda item: _costs(item, rates), _bucket)
    yield "openai/usage-completions.json", encode({"object": "page", **usage})
    yield "openai/costs.json", encode({"object": "page", **costs})


def _bucket(day: date, results: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "object": "bucket",
        "start_time": _seconds(day),
        "end_time": _seconds(day + timedelta(days=1)),
        "results": results,
    }


def _usage(item: Item) -> Iterator[dict[str, Any]]:
    usage = item.usage
    yield {
        "object": "organization.usage.completions.result",
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "input_cached_tokens": usage.cache_read,
        "input_audio_tokens": 0,
        "output_audio_tokens": 0,
        "num_model_requests": item.requests,
        "project_id": item.project,
        "user_id": None,
        "api_key_id": None,
        "model": item.model.served,
        "batch": False,
        "service_tier": None,
    }


def _costs(item: Item, rates: Rates) -> Iterator[dict[str, Any]]:
    """A line for each kind of token that there is any of."""
    for kind, buckets in _LINES:
        count = sum(item.tokens(*buckets).values())
        if count:
            yield {
                "object": "organization.costs.result",
                "amount": _amount(rates.cost(item, *buckets)),
                "line_item": f"{item.model.served}, {kind}",
                "project_id": item.project,
                "api_key_id": None,
                "quantity": count,
                "quantity_unit": "tokens",
            }


def _amount(cost: Money) -> dict[str, Any]:
    # Through text: some readers of decimals trip over an exponent.
    return {"value": Decimal(str(cost)), "currency": "usd"}


def _seconds(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
