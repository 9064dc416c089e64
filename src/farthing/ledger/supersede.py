"""Let a provider's bucket that has grown since it was imported replace what it said then.

Usage and cost pages of an unfinished day say less than those fetched later, under the same id.
What a bucket counts only grows (a credit comes as a line of its own), so the larger one is the
later one, in whatever order they are imported: by tokens, else requests, else billed extras, else
the amount, without its sign. It corrects the row in force; equal or smaller ones are duplicates.
"""

from __future__ import annotations

from datetime import datetime

from farthing.domain.usage import BUCKETS
from farthing.ledger import correction, identity
from farthing.ledger.schema import CHARGES

# The id names the period; the rest is what the later page says.
_RENEWED = tuple(
    name for name in CHARGES.names if name not in {"id", "revision", "booked_at", "time"}
)


def can_grow(present: frozenset[str]) -> bool:
    """Whether a source names its rows; an id made of their amounts is never seen again."""
    return "source_id" in present


def grown(charges: str, since: str | None, until: str | None, now: datetime) -> str:
    """SQL: corrections of the ledger's rows that `charges`, ready to be stored, say more of."""
    told = f"SELECT * FROM ({CHARGES.empty()}) UNION ALL BY NAME ({charges})"
    held = correction.current(CHARGES, identity.near(CHARGES, since, until))
    news = ", ".join(f"told.{name} AS new_{name}" for name in _RENEWED)
    larger = f"""
        SELECT held.*, {news} FROM ({held}) AS held JOIN ({told}) AS told USING (id)
        WHERE {_size("told")} > {_size("held")}"""
    return correction.pairs(CHARGES, larger, _RENEWED, now)


def _size(row: str) -> str:
    """SQL: what is compared, the first that differs decides."""
    tokens = " + ".join(f"{row}.{bucket}" for bucket in BUCKETS)
    extras = f"coalesce(list_sum(json_extract({row}.details, '$.*')::HUGEINT[]), 0)"
    amount = f"abs(coalesce({row}.effective_cost, {row}.billed_cost, 0))"
    quantity = f"abs(coalesce({row}.consumed_quantity, 0))"
    return f"({tokens}, {row}.requests, {extras}, {amount}, {quantity})"
