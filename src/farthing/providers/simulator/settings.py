"""How the simulator behaves where a request does not say otherwise."""

from __future__ import annotations

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rates are shares of calls, 0 to 1. Which calls they hit follows from `seed` and order."""

    seed: int = 0
    latency_ms: float = 0.0  # before the first byte
    chunk_ms: float = 0.0  # before each further chunk of a stream
    error_rate: float = 0.0  # answered 429, 500 or 503
    hangup_rate: float = 0.0  # broken off in the middle
    keys: tuple[str, ...] = ()  # which API keys it knows; none: any key, or no key, is fine
