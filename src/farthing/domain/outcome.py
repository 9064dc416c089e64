"""What a call, a session or a ticket was worth: it arrives later than the cost."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A verdict on one subject. Cost per success divides the cost of all by the successes."""

    subject: Literal["call", "session", "ticket"]
    subject_id: str
    time: datetime
    success: bool | None = None
    score: Decimal | None = None  # 0 to 1
    value_usd: Decimal | None = None
    source: str | None = None
