"""Tell the month as Anthropic's usage and cost reports would: daily buckets.

`GET /v1/organizations/usage_report/messages`, grouped by workspace, model, service tier and
context window, and `/v1/organizations/cost_report`, by workspace and description; its amounts
are decimal strings in cents. Shapes as in Anthropic's Admin API reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from farthing.demo.bill import Item, Rates, items
from farthing.demo.pages import encode, page
from farthing.demo.world import World
from farthing.domain.money import Money
from farthing.prices.book import Book

_WINDOW = "0-200k"  # no call of the demo has a longer prompt

# What the cost report calls each kind of token, in its `token_type` and in its description.
_TOKEN_TYPES = (
    ("uncached_input_tokens", "Input Tokens", ("input_fresh",)),
    ("cache_read_input_tokens", "Input Tokens, Cache Hit", ("cache_read",)),
    (
        "cache_creation.ephemeral_5m_input_tokens",
        "Input Tokens, Cache Write",
        ("cache_write_short",),
    ),
    (
        "cache_creation.ephemeral_1h_input_tokens",
        "Input Tokens, 1h Cache Write",
        ("cache_write_long",),
    ),
    ("output_tokens", "Output Tokens", ("output_visible", "reasoning")),
)


def files(world: World, book: Book) -> Iterator[tuple[str, bytes]]:
    """Names and contents: one answer of each API, with the whole month on one page."""
    counted = items(world, "anthropic")
    rates = Rates(book)
    usage = page(world.days, counted, _usage, _bucket)
    costs = page(world.days, counted, lambda item: _costs(item, rates), _bucket)
    yield "anthropic/usage-report.json", encode(usage)
    yield "anthropic/cost-report.json", encode(costs)


def _bucket(day: date, results: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "starting_at": f"{day}T00:00:00Z",
        "ending_at": f"{day + timedelta(days=1)}T00:00:00Z",
        "results": results,
    }


def _usage(item: Item) -> Iterator[dict[str, Any]]:
    usage = item.usage
    yield {
        "uncached_input_tokens": usage.input_fresh,
        "cache_creation": {
            "ephemeral_1h_input_tokens": usage.cache_write_long,
            "ephemeral_5m_input_tokens": usage.cache_write_short,
        },
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": usage.output_tokens,
        "server_tool_use": {"web_search_requests": 0},
        "api_key_id": None,
        "workspace_id": item.project,
        "model": item.model.served,
        "service_tier": "standard",
        "context_window": _WINDOW,
    }


def _costs(item: Item, rates: Rates) -> Iterator[dict[str, Any]]:
    """A line for each kind of token that there is any of."""
    for token_type, words, buckets in _TOKEN_TYPES:
        if any(item.tokens(*buckets).values()):
            yield {
                "amount": cents(rates.cost(item, *buckets)),
                "currency": "USD",
                "cost_type": "tokens",
                "description": f"{item.model.served} Usage - {words}",
                "model": item.model.served,
                "token_type": token_type,
                "service_tier": "standard",
                "context_window": _WINDOW,
                "workspace_id": item.project,
            }


def cents(amount: Money) -> str:
    """`$1.2345` is `123.45`."""
    return str(amount * 100)
