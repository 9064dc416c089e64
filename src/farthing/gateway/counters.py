"""What happened so far, in plain numbers; `/metrics` reads them when it is asked."""

from __future__ import annotations

from collections import defaultdict


class Counters:
    """Incremented on the hot path, so they are dictionaries and nothing else."""

    __slots__ = (
        "attempts",
        "cost_pico",
        "in_flight",
        "refusals",
        "saved_pico",
        "shadow",
        "shadow_pico",
        "tokens",
    )

    def __init__(self) -> None:
        self.refusals: defaultdict[str, int] = defaultdict(int)  # by code
        self.attempts: defaultdict[tuple[str, str], int] = defaultdict(int)  # provider, status
        self.tokens: defaultdict[tuple[str, str], int] = defaultdict(int)  # provider, direction
        self.cost_pico: defaultdict[str, int] = defaultdict(int)  # by provider
        self.saved_pico: defaultdict[str, int] = defaultdict(int)  # by reason
        self.in_flight = 0
        self.shadow: defaultdict[str, int] = defaultdict(int)  # decisions in shadow, by knob
        self.shadow_pico: defaultdict[str, int] = defaultdict(int)  # that they would have saved

    def in_shadow(self, knob: str, saved_pico: int = 0) -> None:
        """A knob in shadow decided otherwise; negative: following it would have cost more."""
        self.shadow[knob] += 1
        self.shadow_pico[knob] += saved_pico
