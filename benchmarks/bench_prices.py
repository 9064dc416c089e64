"""How long one charge takes, with the book compiled."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from farthing.domain.usage import Usage
from farthing.prices.book import Book

CHARGES = 200_000
ON = datetime(2026, 10, 3, 12, tzinfo=UTC)
CASES = {
    "plain": ("openai", "gpt-4o", Usage(1000, 200, output_visible=300), None),
    "size cliff": ("anthropic", "claude-sonnet-4-5", Usage(250_000, output_visible=300), None),
    "batch": ("anthropic", "claude-sonnet-4-5", Usage(1000), {"processing": "batch"}),
    "searches": (
        "anthropic",
        "claude-sonnet-4-5",
        Usage(1000, details={"web_searches": 3}),
        None,
    ),
}


def main() -> None:
    book = Book.load(Path())
    for name, (provider, model, usage, context) in CASES.items():
        book.price(provider, model, usage, ON, context)
        taken = _seconds(lambda: book.price(provider, model, usage, ON, context))  # noqa: B023
        print(f"{name:12}{taken * 1e6:6.2f} µs a charge (asked: 5)")


def _seconds(once: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(CHARGES // 5):
            once()
        best = min(best, time.perf_counter() - began)
    return best / (CHARGES // 5)


if __name__ == "__main__":
    main()
