"""Where a call may go: a model at a provider that farthing.toml names."""

from __future__ import annotations

from typing import NamedTuple


class Target(NamedTuple):
    provider: str  # its name in farthing.toml: one account, one credential, one region
    model: str

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"
