"""What goes wrong under one seed, and how often: some of it always, never all of it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from random import Random

_RATES = (0.0, 0.0, 0.0, 0.03, 0.1, 0.3)


@dataclass(frozen=True, slots=True)
class Weather:
    """Rates are shares of calls, 0 to 1; seconds are virtual."""

    # the provider
    unreachable: float = 0.0  # no connection: not a byte leaves
    lost: float = 0.0  # the request went out, nothing came back
    refused: float = 0.0  # 429, 5xx
    hang: float = 0.0  # silence, before the answer or in it
    reset: float = 0.0  # the connection breaks, before the answer or in it
    cut: float = 0.0  # the answer ends early, as if it were whole
    garble: float = 0.0  # what comes is not what the protocol says
    lie: float = 0.0  # the usage it reports is not what it bills
    drip: float = 0.0  # small pieces, slowly
    # the callers
    hang_up: float = 0.0
    slow_caller: float = 0.0
    stalled_caller: float = 0.0  # reads nothing more, and stays
    broken_body: float = 0.0
    # the machine
    short_writes: float = 0.0
    write_seconds: float = 0.0
    sync_seconds: float = 0.0  # how late the disk may be
    shuffle: float = 0.0  # how often a ready task overtakes others


CALM = Weather()


def drawn(dice: Random) -> Weather:
    """Half of all faults, each at a rate of its own: faults that are always there hide others."""
    rates = {each.name: dice.choice(_RATES) for each in fields(Weather)}
    rates["stalled_caller"] *= 0.1  # it takes a minute until it is left alone
    rates["write_seconds"] = dice.choice((0.0, 0.0, 1e-5, 0.002))
    rates["sync_seconds"] = dice.choice((0.0, 0.01, 0.5))
    rates["shuffle"] = dice.choice((0.0, 0.3, 1.0))
    return Weather(**rates)
