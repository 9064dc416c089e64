"""What other prices would cost on our own traffic, as rows and as a sentence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from farthing.domain.money import Money
from farthing.ledger.drift import Drift
from farthing.views import figures


def as_json(found: Sequence[Drift]) -> list[dict[str, Any]]:
    return [
        {
            "provider": each.provider,
            "model": each.model,
            "context": None if each.context is None else json.loads(each.context),
            "rows": each.rows,
            "was_usd": str(each.was),
            "now_usd": str(each.now),
            "difference_usd": str(each.difference),
            "percent": percent(each),
            "priced_rows": each.priced,
            "unpriced_rows": each.unpriced,
        }
        for each in found
    ]


def percent(each: Drift) -> str | None:
    """The difference in percent of what it was, to four places; None of nothing."""
    if not each.was:
        return None
    exact = Decimal(100 * each.difference.pico) / Decimal(each.was.pico)
    return f"{exact:.4f}"


def sentence(found: Sequence[Drift]) -> str:
    """The outcome in one line."""
    if not found:
        return "There is no model usage in the ledger for this time."
    was, now = (Money.sum(sums) for sums in ([e.was for e in found], [e.now for e in found]))
    more = "more" if now > was else "less"
    size = now - was if now > was else was - now
    said = f"Booked at {figures.dollars(was)}, this traffic costs {figures.dollars(now)}"
    said += f", {figures.dollars(size)} {more}." if size else ", which is the same."
    unpriced = sum(each.unpriced for each in found)
    if not unpriced:
        return said
    rows = "1 row has" if unpriced == 1 else f"{unpriced:,} rows have"
    return f"{said} {rows} no price there, in neither sum."
