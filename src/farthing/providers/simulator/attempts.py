"""What reached the simulated provider, for tests that compare it with the ledger."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path

import msgspec

from farthing.domain.usage import Usage
from farthing.providers.simulator.script import Script
from farthing.providers.transport.wire import Request

_MOST = 100_000
_HEADER = b"x-farthing-attempt"


class Attempt(msgspec.Struct, kw_only=True):
    """`id` is what the gateway calls it; `usage` what the provider bills, None for nothing.

    `status` 0: the connection broke before any answer. `finished`: all of it was handed over.
    """

    id: str | None
    response_id: str | None
    model: str | None
    status: int
    usage: Usage | None
    finished: bool = False


class Seen(msgspec.Struct, kw_only=True):
    """`attempts` are the last 100,000 of `count`."""

    count: int
    attempts: list[Attempt]


class Attempts:
    """In memory, and in a file that outlives this process: one line each, before the answer."""

    def __init__(self, log: Path | None = None) -> None:
        self._count = 0
        self._last: deque[Attempt] = deque(maxlen=_MOST)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self._file = os.open(log, flags, 0o644) if log else None

    def note(self, request: Request, script: Script) -> Attempt:
        named = dict(request.headers).get(_HEADER)
        attempt = Attempt(
            id=named.decode("latin-1") if named else None,
            response_id=script.response_id,
            model=script.model,
            status=script.status,
            usage=script.usage,
        )
        if self._file is not None:
            os.write(self._file, msgspec.json.encode(attempt) + b"\n")
        self._count += 1
        self._last.append(attempt)
        return attempt

    def seen(self) -> Seen:
        return Seen(count=self._count, attempts=list(self._last))
