"""What the provider billed beside what the ledger holds, and the sentence about it."""

from __future__ import annotations

from typing import Any

from farthing.domain.money import Money
from farthing.ledger.reconcile import Reconciliation
from farthing.views import figures


def as_json(found: Reconciliation) -> list[dict[str, Any]]:
    return [
        {
            "day": row.day.isoformat(),
            "provider": row.provider,
            "model": row.model,
            "project": row.project,
            "ledger_usd": _text(row.ledger),
            "usage_usd": _text(row.usage),
            "invoice_usd": _text(row.invoice),
            "difference_usd": _text(row.difference),
            "reason": row.reason,
        }
        for row in found.rows
    ]


def sentence(found: Reconciliation) -> str:
    """The outcome in one line."""
    if not found.rows:
        return f"Nothing of {found.provider} is in the ledger for this time, nor any bill."
    differing = [row for row in found.rows if row.differs]
    bill = Money.sum(row.invoice or row.usage or Money.ZERO for row in found.rows)
    if all(row.difference is None for row in found.rows):
        return f"{found.provider} has billed nothing yet that the ledger knows of."
    said = f"{found.provider} billed {figures.dollars(bill)}"
    if not differing:
        return f"{said}, and the ledger agrees."
    gap = Money.sum(row.difference for row in differing if row.difference is not None)
    more = "more" if gap > Money.ZERO else "less"
    size = gap if gap > Money.ZERO else -gap
    days = len({row.day for row in differing})
    count = f"{days} day{'s' if days > 1 else ''}"
    said += f", {figures.dollars(size)} {more} than the ledger holds, on {count}"
    return f"{said}; the largest part is {_largest(found)}."


def _largest(found: Reconciliation) -> str:
    by_reason: dict[str, Money] = {}
    for row in found.rows:
        if row.differs and row.difference is not None:
            reason = row.reason or "unexplained"
            by_reason[reason] = by_reason.get(reason, Money.ZERO) + row.difference
    return max(by_reason, key=lambda reason: abs(by_reason[reason].pico))


def _text(amount: Money | None) -> str | None:
    return None if amount is None else str(amount)
