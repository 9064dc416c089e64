"""What happened so far, in plain numbers; `/metrics` reads them when it is asked."""

from __future__ import annotations

from collections import defaultdict
from time import perf_counter
from typing import TYPE_CHECKING

from farthing.gateway.timings import Timings

if TYPE_CHECKING:
    from farthing.gateway.exchange import Exchange


class Counters:
    """Incremented on the hot path, so they are dictionaries and nothing else."""

    __slots__ = (
        "added",
        "attempts",
        "calls",
        "cost_pico",
        "failures",
        "first_byte",
        "in_flight",
        "refusals",
        "saved_pico",
        "shadow",
        "shadow_pico",
        "tokens",
        "took",
    )

    def __init__(self) -> None:
        self.calls: defaultdict[tuple[str, int, bytes], int] = defaultdict(int)
        self.refusals: defaultdict[str, int] = defaultdict(int)  # by code
        self.attempts: defaultdict[tuple[str, str], int] = defaultdict(int)  # provider, status
        self.failures: defaultdict[tuple[str, str], int] = defaultdict(int)  # provider, fault
        self.tokens: defaultdict[tuple[str, str], int] = defaultdict(int)  # provider, direction
        self.cost_pico: defaultdict[str, int] = defaultdict(int)  # by provider
        self.saved_pico: defaultdict[str, int] = defaultdict(int)  # by reason
        self.took = Timings()  # whole calls, by cache word
        self.added = Timings()  # what of a call that was sent was not spent at a provider
        self.first_byte = Timings()  # of attempts, by provider
        self.in_flight = 0
        self.shadow: defaultdict[str, int] = defaultdict(int)  # decisions in shadow, by knob
        self.shadow_pico: defaultdict[str, int] = defaultdict(int)  # that they would have saved

    def ended(self, x: Exchange) -> None:
        """A call is over, however it went."""
        seconds = perf_counter() - x.arrived
        self.calls[x.protocol.name, x.reply.status, x.cache_word] += 1
        self.took.add(x.cache_word, seconds)
        if x.attempts:
            self.added.add("", seconds - x.at_provider)

    def in_shadow(self, knob: str, saved_pico: int = 0) -> None:
        """A knob in shadow decided otherwise; negative: following it would have cost more."""
        self.shadow[knob] += 1
        self.shadow_pico[knob] += saved_pico
