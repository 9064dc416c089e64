"""Who a cost belongs to, and what it was for."""

from __future__ import annotations

from typing import Final

# The dimensions of a scope, in the order that people read them. A tag is any other name.
SCOPE: Final = (
    "team",
    "project",
    "feature",
    "customer",
    "environment",
    "cost_center",
    "key",
)
