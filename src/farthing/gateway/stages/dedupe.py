"""Let equal calls in flight share one answer: the first one asks, the others read along."""

from __future__ import annotations

import asyncio

from farthing.domain.call import Status
from farthing.domain.money import Money
from farthing.gateway.exchange import Exchange
from farthing.gateway.live import Live
from farthing.gateway.pipeline import Rest
from farthing.gateway.recording import MOST_BYTES, Recording
from farthing.gateway.rows import free_row
from farthing.policy.rules.coalesce import flight_key


class _Flight:
    """A call that others may join."""

    __slots__ = ("leader", "recording")

    def __init__(self, leader: Exchange, recording: Recording) -> None:
        self.leader, self.recording = leader, recording


class Dedupe:
    def __init__(self, live: Live) -> None:
        self._live = live
        self._flights: dict[bytes, _Flight] = {}

    async def __call__(self, x: Exchange, rest: Rest) -> None:
        if x.cache_key is None:
            await rest(x)
            return
        repeatable = x.ask.deterministic or x.idempotency_key is not None
        use = x.knobs.coalescing.decide(
            x.facts,
            repeatable=repeatable,
            wish=x.header(b"x-farthing-coalesce") or b"",
            cache_wish=x.header(b"x-farthing-cache") or b"",
            cache_control=x.header(b"cache-control") or b"",
        )
        key = flight_key(
            x.cache_key, deterministic=x.ask.deterministic, idempotency_key=x.idempotency_key
        )
        if use.count:
            await self._count(x, key, rest)
        elif not use.serve:
            await rest(x)
        else:
            await self._share(x, key, rest)

    async def _share(self, x: Exchange, key: bytes, rest: Rest) -> None:
        """Join who asks already. Where that fails before its first byte, ask oneself."""
        while (flight := self._flights.get(key)) is not None:
            if flight.recording.size > MOST_BYTES:
                await rest(x)
                return
            if await self._follow(x, flight):
                return
        await self._lead(x, key, rest)

    async def _lead(self, x: Exchange, key: bytes, rest: Rest) -> None:
        recording = x.record()
        self._flights[key] = _Flight(x, recording)
        try:
            await rest(x)
        finally:
            # Out of sight first: whoever wakes must not find a flight that is over.
            del self._flights[key]
            recording.end(failed=not x.whole)

    async def _follow(self, x: Exchange, flight: _Flight) -> bool:
        """False: there was no answer to share, and not a byte of one was passed on."""
        recording = flight.recording
        recording.followers += 1
        try:
            first = await recording.read(0)
            if recording.over and not recording.began:
                return False
            while recording.status >= 400 and not recording.over:  # noqa: PLR2004
                await recording.read(len(recording.chunks))
            if not recording.began:
                return False
            await self._read_along(x, flight, first)
        finally:
            recording.followers -= 1
        return True

    async def _read_along(self, x: Exchange, flight: _Flight, first: bytes) -> None:
        recording = flight.recording
        x.cache_word = b"coalesced"
        headers = [*recording.headers, (b"x-farthing-cost-usd", b"0")]
        await x.reply.start(recording.status, headers)
        part, read = first, 0
        while part and not x.hung_up:
            read = len(recording.chunks)
            await x.reply.chunk(part, last=False)
            part = await recording.read(read)
        saved = flight.leader.cost
        status: Status = "ok"
        if x.hung_up or recording.failed:
            status = "cancelled" if x.hung_up else "error"
        ended = asyncio.get_running_loop().time()
        self._live.counters.saved_pico["coalesce"] += (saved or Money.ZERO).pico
        self._live.ledger.settle(free_row(x, status, ended, saved=saved, reason="coalesce"))
        await x.reply.chunk(b"", last=True)

    async def _count(self, x: Exchange, key: bytes, rest: Rest) -> None:
        """In shadow: note what joining would have saved, and ask all the same."""
        if key in self._flights:
            await rest(x)
            self._live.counters.in_shadow("coalesce", (x.cost or Money.ZERO).pico)
            return
        self._flights[key] = flight = _Flight(x, Recording())
        try:
            await rest(x)
        finally:
            del self._flights[key]
            flight.recording.end(failed=True)  # for who joined under a newer policy
