"""Send the call to its provider, and sort out what came back instead of an answer."""

from __future__ import annotations

from time import perf_counter

from farthing.domain.trace import traceparent
from farthing.gateway.exchange import Attempt, Exchange
from farthing.gateway.headers import LABEL, Lists
from farthing.gateway.live import Live
from farthing.gateway.pipeline import Rest
from farthing.gateway.stages.settle import Settle
from farthing.policy.rules.retry import Failure
from farthing.providers.protocol import Change, Refusal
from farthing.providers.transport.wire import Answer, Headers, Lost, NotSent, Request, TimedOut

LARGEST_ERROR = 1 << 20
_FAILED = 300  # a redirect, too: calls go to configured addresses alone
_ERROR = 400
# What was read is JSON, whatever its caller called it; usage has to be read as it passes.
_OURS = ((b"content-type", b"application/json"), (b"accept-encoding", b"identity"))
# Of a provider's headers, those that speak of its connection and not of the answer.
_THEIRS = frozenset(
    {b"content-length", b"set-cookie", b"alt-svc", b"server", b"date",
     b"strict-transport-security"}
)  # fmt: skip


class Failed(Exception):
    """An attempt ended before the caller got a byte: another may be tried."""

    def __init__(self, refusal: Refusal, *, lost: bool = False) -> None:
        super().__init__(refusal.message)
        self.refusal, self.lost = refusal, lost
        self.native: tuple[int, Headers, bytes] | None = None

    @property
    def kind(self) -> Failure:
        """The failure as `policy.rules.retry` names it."""
        if self.native is not None:
            return self.native[0]
        return "lost" if self.lost else "not_sent"

    @property
    def retry_after(self) -> float | None:
        """Seconds that the provider asks to wait (RFC 9110 §10.2.3); dates are not read."""
        headers = self.native[1] if self.native is not None else []
        for name, value in headers:
            if name == b"retry-after" and value.isdigit():
                return float(value)
        return None

    async def answer(self, x: Exchange) -> None:
        """What the caller gets when nothing else is tried: the provider's own words, if any."""
        if self.native is None:
            await x.reply.refuse(self.refusal)
            return
        status, headers, body = self.native
        await x.reply.start(status, [*headers, (b"content-length", b"%d" % len(body))])
        await x.reply.chunk(body, last=True)


class Sender:
    def __init__(self, live: Live, settle: Settle) -> None:
        self._live, self._settle = live, settle

    async def __call__(self, x: Exchange, rest: Rest) -> None:
        attempt = x.attempt
        assert attempt is not None
        upstream = attempt.target.upstream
        request = self._request(x, attempt)
        attempt.sent, attempt.sent_at = True, perf_counter()
        try:
            answer = await self._live.transport.send(upstream.origin, request, upstream.timeouts)
        except NotSent as error:
            attempt.sent = False
            self._settle.cost_nothing(x, attempt, "not_sent")
            raise Failed(_refusal(502, error, upstream.name)) from error
        except Lost as error:
            self._settle.gave_up(x, attempt, "error")
            status = 504 if isinstance(error, TimedOut) else 502
            raise Failed(_refusal(status, error, upstream.name), lost=True) from error
        attempt.answer = answer
        try:
            if answer.status >= _FAILED:
                await self._failed(x, attempt, answer)
            await rest(x)
        finally:
            answer.close()

    def _request(self, x: Exchange, attempt: Attempt) -> Request:
        ask, target = x.ask, attempt.target
        kind = target.upstream.kind
        wish_usage = ask.stream and not ask.usage_asked and kind.usage_option
        attempt.strip_usage = wish_usage
        renamed = target.model if target.model != ask.model else None
        body = x.body
        if renamed or attempt.cap is not None or wish_usage or ask.rewrite or attempt.tier:
            change = Change(
                model=renamed,
                output_cap=attempt.cap,
                cap_field=kind.cap_field,
                include_usage=wish_usage,
                service_tier=attempt.tier,
                rewrite=ask.rewrite,
            )
            body = x.protocol.change(body, change)
        headers = [x.headers[place] for place in x.names.passed]
        headers += _OURS
        headers += target.upstream.headers()
        if credentials := kind.credentials(target.upstream.secret(), ask.protocol):
            headers.append(credentials)
        if self._live.propagate:
            headers += _trace(x, attempt)
        if kind.name == "simulator":
            headers.append((b"x-farthing-attempt", b"%b-%d" % (x.id.encode(), attempt.number)))
        path = attempt.post.path(ask.protocol, target.model, stream=ask.stream, events=x.events)
        return Request(b"POST", path, headers, body)

    async def _failed(self, x: Exchange, attempt: Attempt, answer: Answer) -> None:
        """A whole error without usage costs nothing; one that breaks off may have cost."""
        parts: list[bytes] = []
        size = 0
        try:
            while not answer.ended and size <= LARGEST_ERROR:
                part = await answer.chunk()
                size += len(part)
                parts.append(part)
        except Lost:
            attempt.flags.add("broken_off")
        if answer.ended and "broken_off" not in attempt.flags:
            self._settle.cost_nothing(x, attempt, f"http_{answer.status}")
        else:
            self._settle.gave_up(x, attempt, "error")
        body = b"".join(parts)
        name = attempt.target.upstream.name
        if answer.status < _ERROR:
            raise Failed(_redirect(name, answer.status))
        failure = Failed(
            Refusal(
                status=answer.status,
                code="upstream_error",
                message=f"Provider {name!r} answered {answer.status}.",
            )
        )
        failure.native = (answer.status, theirs(answer), body)
        raise failure


def _redirect(name: str, status: int) -> Refusal:
    text = (
        f"Provider {name!r} sends calls elsewhere ({status}); none follows. Correct its base_url."
    )
    return Refusal(status=502, code="upstream_redirect", message=text)


def _trace(x: Exchange, attempt: Attempt) -> Headers:
    """Which trace the call belongs to, for a provider that is to be told."""
    own = traceparent(x.trace_id, x.parent_span, x.id, attempt.number)
    state = [(b"tracestate", x.trace_state.encode())] if x.trace_state else []
    return [(b"traceparent", own), *state]


def theirs(answer: Answer) -> Headers:
    """The provider's headers as its caller gets them."""
    headers = answer.headers
    return [headers[place] for place in _PASSED.of(headers)]


def _passed(names: tuple[bytes, ...]) -> tuple[int, ...]:
    places = range(len(names))
    return tuple([p for p in places if names[p] not in _THEIRS and not names[p].startswith(LABEL)])


_PASSED = Lists(_passed)


def _refusal(status: int, error: Lost | NotSent, name: str) -> Refusal:
    return Refusal(
        status=status,
        code=error.code,
        message=f"Provider {name!r}: {error}",
        retry=isinstance(error, NotSent),
    )
