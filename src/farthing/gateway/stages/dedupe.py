"""Let equal calls in flight share one answer: the first one asks, the others read along."""

from __future__ import annotations

import asyncio

from farthing.domain.call import Status
from farthing.domain.money import Money
from farthing.gateway.exchange import Exchange
from farthing.gateway.live import Live
from farthing.gateway.pipeline import Rest
from farthing.gateway.recording import MOST_BYTES, Recording
from farthing.gateway.rows import free_line
from farthing.policy.rules.coalesce import flight_key
from farthing.providers.protocol import Refusal

_CUT = Refusal(
    status=502,
    code="upstream_lost",
    message="The call that this one shared an answer with was broken off. Try again.",
    retry=True,
)


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
        elif key in self._flights:
            await self._share(x, key, rest)
        else:
            await self._lead(x, key, rest)

    async def _share(self, x: Exchange, key: bytes, rest: Rest) -> None:
        """Join who asks already. Where that fails before its first byte, ask oneself."""
        while (flight := self._flights.get(key)) is not None:
            if flight.recording.size > MOST_BYTES:
                await rest(x)
                return
            if await self._follow(x, flight):
                return
            if self._flights.get(key) is flight:
                break  # over, though its own caller still reads of it
        await self._lead(x, key, rest)

    async def _lead(self, x: Exchange, key: bytes, rest: Rest) -> None:
        recording = x.record()
        self._flights[key] = flight = _Flight(x, recording)
        try:
            await rest(x)
        except asyncio.CancelledError:
            recording.cut = True
            raise
        finally:
            # Out of sight first: whoever wakes must not find a flight that is over.
            if self._flights.get(key) is flight:
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
        status: Status = "cancelled"  # also where a shutdown, or its caller's silence, ends this
        try:
            await self._pass_on(x, recording, first)
            if not x.hung_up:
                status = "error" if recording.failed else "ok"
        finally:
            saved = flight.leader.cost
            self._live.counters.saved_pico["coalesce"] += (saved or Money.ZERO).pico
            line = free_line(x, status, self._live.time(), saved=saved, reason="coalesce")
            self._live.ledger.book((x.id, 0), line)
        await x.reply.chunk(b"", last=True)

    async def _pass_on(self, x: Exchange, recording: Recording, part: bytes) -> None:
        headers = [*recording.headers, (b"x-farthing-cost-usd", b"0")]
        await x.reply.start(recording.status, headers)
        read = 0
        while part and not x.hung_up:
            read = len(recording.chunks)
            await x.reply.chunk(part, last=False)
            part = await recording.read(read)
        if recording.cut and not x.hung_up:
            ending = x.protocol.meter(x.ask, strip_usage=False).broken(_CUT)
            await x.reply.chunk(ending, last=False)

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
