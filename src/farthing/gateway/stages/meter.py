"""Pass the answer on as it comes, reading its usage on the way."""

from __future__ import annotations

from farthing.gateway.exchange import Attempt, Exchange
from farthing.gateway.live import Live
from farthing.gateway.pipeline import Rest
from farthing.gateway.stages.send import theirs
from farthing.gateway.stages.settle import Settle
from farthing.providers.protocol import Refusal
from farthing.providers.transport.wire import Answer, Lost

LARGEST_COLLECTED = 16 << 20  # a longer whole answer is passed on in parts
_EVENTS = b"text/event-stream"


class Metering:
    def __init__(self, live: Live, settle: Settle) -> None:
        self._live, self._settle = live, settle

    async def __call__(self, x: Exchange, rest: Rest) -> None:
        attempt = x.attempt
        assert attempt is not None
        assert attempt.answer is not None
        provider = attempt.target.upstream.kind.priced_as
        attempt.meter = x.protocol.meter(x.ask, strip_usage=attempt.strip_usage, provider=provider)
        if _is_stream(attempt.answer):
            await self._stream(x, attempt, attempt.answer, rest)
        else:
            await self._whole(x, attempt, attempt.answer, rest)

    async def _stream(self, x: Exchange, attempt: Attempt, answer: Answer, rest: Rest) -> None:
        meter, reply = attempt.meter, x.reply
        assert meter is not None
        read, last = 0, b""
        try:
            part = await answer.chunk()
            attempt.first_byte = self._live.time()
            await reply.start(answer.status, theirs(answer))
            while part:
                read += len(part)
                passed = meter.feed(part)
                if answer.ended or (x.hung_up and self._enough(x, attempt, read)):
                    last = passed
                    break
                if passed:
                    await reply.chunk(passed, last=False)
                part = await answer.chunk()
        except Lost as error:
            await self._broke_off(x, attempt, error)
            return
        last += meter.feed(b"")
        await rest(x)  # settles before the caller knows that it is over
        await reply.chunk(last, last=True)

    async def _whole(self, x: Exchange, attempt: Attempt, answer: Answer, rest: Rest) -> None:
        meter = attempt.meter
        assert meter is not None
        parts: list[bytes] = []
        size = 0
        try:
            while not answer.ended:
                part = await answer.chunk()
                attempt.first_byte = attempt.first_byte or self._live.time()
                parts.append(meter.feed(part) if part else b"")
                size += len(part)
                if x.hung_up and not answer.ended and self._enough(x, attempt, size):
                    break
                if size > LARGEST_COLLECTED:
                    await self._large(x, answer, parts)
        except Lost as error:
            await self._broke_off(x, attempt, error)
            return
        parts.append(meter.feed(b""))
        await rest(x)
        await self._collected(x, answer, b"".join(parts))

    async def _collected(self, x: Exchange, answer: Answer, body: bytes) -> None:
        if not x.reply.started:
            headers = theirs(answer)
            headers.append((b"content-length", b"%d" % len(body)))
            if x.cost is not None:
                headers.append((b"x-farthing-cost-usd", str(x.cost).encode()))
            await x.reply.start(answer.status, headers)
        await x.reply.chunk(body, last=True)

    async def _large(self, x: Exchange, answer: Answer, parts: list[bytes]) -> None:
        """Too long to collect: its cost comes too late for a header."""
        if not x.reply.started:
            await x.reply.start(answer.status, theirs(answer))
        await x.reply.chunk(b"".join(parts), last=False)
        parts.clear()

    def _enough(self, x: Exchange, attempt: Attempt, read: int) -> bool:
        """Whether an answer that nobody waits for is read no further."""
        if x.tap is not None and x.tap.wanted():
            return False
        rule = x.knobs.policy.hang_up
        over = read > rule.drain_kb << 10 or self._live.time() > x.left_at + rule.drain_seconds
        if over:
            attempt.flags.add("hung_up")
        return over

    async def _broke_off(self, x: Exchange, attempt: Attempt, error: Lost) -> None:
        self._settle.gave_up(x, attempt, "error")
        name = attempt.target.upstream.name
        refusal = Refusal(status=502, code=error.code, message=f"Provider {name!r}: {error}")
        if not x.reply.started:
            await x.reply.refuse(refusal)
        else:
            assert attempt.meter is not None
            await x.reply.chunk(attempt.meter.broken(refusal), last=True)


def _is_stream(answer: Answer) -> bool:
    for name, value in answer.headers:
        if name == b"content-type":
            return value.startswith(_EVENTS)
    return False
