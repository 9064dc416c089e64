"""What one check of `farthing doctor` saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`fix` is the next step where something is to be done."""

    check: str
    state: State
    found: str
    fix: str | None = None
