"""The path of one call through the gateway. Read this first.

    identify → scope → guard → cache → dedupe → route → hold → send → meter → settle

A stage takes the call in flight and the rest of the line; it may answer by itself, or go on with
`await rest(x)`, once or, as route does, once for each attempt. Everything streams: bytes go from
the upstream's socket through the meter to the caller as they come, and a whole answer is a stream
that is collected. What a stage opened it closes when `rest` is back, however that ended, so every
exit settles: an answer, a refusal, an upstream's error, a hang-up, a shutdown.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from farthing.gateway.exchange import Exchange

Rest = Callable[[Exchange], Awaitable[None]]


class Stage(Protocol):
    def __call__(self, x: Exchange, rest: Rest) -> Awaitable[None]: ...


def join(stages: Sequence[Stage]) -> Rest:
    """Fold stages into one callable; the first stage is outermost."""
    line: Rest = _end_of_line
    for stage in reversed(stages):
        line = _joined(stage, line)
    return line


def _joined(stage: Stage, rest: Rest) -> Rest:
    step = stage.__call__
    return lambda x: step(x, rest)


async def _end_of_line(_: Exchange) -> None:
    """After settle there is nothing to do."""
