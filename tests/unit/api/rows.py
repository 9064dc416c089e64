"""Rows of the gateway, and a journal to write them into."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from farthing.domain.call import Traced
from farthing.domain.money import Money

BEGAN = datetime(2026, 11, 2, 12, 0, 0, 250_000, tzinfo=UTC)
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def call_id(number: int) -> str:
    return f"01a2131030c97d199168{number:012x}"


def row(number: int = 1, **fields: Any) -> Traced:
    """An attempt that went well, unless said otherwise."""
    usual: dict[str, Any] = {
        "id": call_id(number),
        "time": BEGAN,
        "source": "gateway",
        "provider": "openai",
        "operation": "chat",
        "model": "gpt-4o",
        "model_served": "gpt-4o-2024-08-06",
        "response_id": f"chatcmpl-{number}",
        "input_fresh": 100,
        "cache_read": 20,
        "cache_write_short": 3,
        "cache_write_long": 4,
        "output_visible": 50,
        "reasoning": 7,
        "effective_usd": Money.of("0.000123456789"),
        "list_usd": Money.of("0.0002"),
        "team": "search",
        "key": "k1",
        "tags": '{"ticket":"OPS-1","user":"bob"}',
        "latency_ms": 900,
        "ttft_ms": 300,
        "cache": "shadow",
        "sent_ms": 5,
    }
    return Traced(**{**usual, **fields})


def refused(number: int = 1, **fields: Any) -> Traced:
    return Traced(
        id=call_id(number),
        attempt=0,
        time=BEGAN,
        source="gateway",
        operation="chat",
        model="gpt-4o",
        reason="budget_exhausted",
        status="refused",
        effective_usd=Money.ZERO,
        team="search",
        key="k1",
        latency_ms=2,
        cache="shadow",
        **fields,
    )


def failed(number: int = 1, **fields: Any) -> Traced:
    nothing = {"response_id": None, "input_fresh": 0, "cache_read": 0, "cache_write_short": 0}
    nothing |= {"cache_write_long": 0, "output_visible": 0, "reasoning": 0, "ttft_ms": None}
    cost = {"effective_usd": Money.ZERO, "list_usd": Money.ZERO}
    return row(number, **{"status": "error", "flags": "http_503", **nothing, **cost, **fields})
