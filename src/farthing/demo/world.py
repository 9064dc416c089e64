"""One month of a company's AI, drawn from a seed: every fact, before anybody wrote it down.

The writers beside this file (`as_spans`, `as_pages` …) tell the same facts in the formats of
different sources. What is planted, and how much of it, is said in docs/demo.md and tested.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import msgspec

from farthing.demo.cloud import Line, lines
from farthing.demo.company import (
    BYPASSING,
    CUSTOMERS,
    ENVIRONMENTS,
    FEATURES,
    GPT_4O_MINI,
    LOOPING,
    Feature,
    Model,
)
from farthing.demo.dice import Dice, ladder
from farthing.domain.call import Status
from farthing.domain.errors import Refused
from farthing.domain.usage import Usage

FEWEST_CALLS = 1_000

_GROWTH = (1_012, 1_000)  # more calls every day than the day before, as a fraction
_LOOP_SHARE = 65  # per mille of all calls
_UNTAGGED = 40  # per mille of conversations
_SHIPPED_TWICE = 5  # per mille of calls
_RETRIED = 12
_FAILED = 2
_CACHE_BLOCK, _CACHE_FROM = 128, 1_024  # providers cache whole blocks of long prompts only
_BYPASS_DAYS = (13, 14, 15)  # days of the month, from 1
_DIGITS = "0123456789"
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to draw. The same plan gives the same world, to the byte.

    `unseen`: whether a job went past the gateway, so that the bill exceeds the calls.
    """

    seed: int = 1
    calls: int = 40_000
    month: str = "2026-10"
    unseen: bool = True


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt at a call. A failed one has no usage and no response."""

    id: str  # of the call, a UUIDv7 as 32 hex digits
    attempt: int = 1
    time: datetime
    model: Model
    response_id: str | None = None
    usage: Usage = Usage()
    status: Status = "ok"
    latency_ms: int
    team: str | None = None
    project: str | None = None
    feature: str | None = None
    customer: str | None = None
    environment: str | None = None
    key: str | None = None
    session_id: str
    trace_id: str
    span_id: str
    request_hash: str
    shipped: int = 1  # how often its log line arrived; 2 for a duplicate

    @property
    def day(self) -> date:
        return self.time.date()


class Bypass(msgspec.Struct, frozen=True, kw_only=True):
    """A day of a job that called the provider directly: billed, but nobody logged its calls."""

    day: date
    model: Model
    project: str
    requests: int
    usage: Usage


class World(msgspec.Struct, frozen=True):
    """All that happened. `attempts` are in order of time."""

    plan: Plan
    days: tuple[date, ...]
    attempts: tuple[Attempt, ...]
    loop_session: str
    bypasses: tuple[Bypass, ...]
    cloud: tuple[Line, ...]

    @property
    def answered(self) -> Iterator[Attempt]:
        """The attempts that a provider answered, and therefore charges."""
        return (attempt for attempt in self.attempts if attempt.status == "ok")


def build(plan: Plan) -> World:
    """Draw the month. Refuses a month that is none, and fewer calls than show anything."""
    if plan.calls < FEWEST_CALLS:
        raise Refused(f"{plan.calls} calls show no pattern. Ask for at least {FEWEST_CALLS}.")
    days = days_of(plan.month)
    looping = plan.calls * _LOOP_SHARE // 1000
    loop = _loop(plan.seed, days, looping)
    attempts = list(loop)
    for feature, count in _shares(plan.calls - looping):
        attempts += _Caller(plan.seed, feature, days).calls(count)
    attempts.sort(key=lambda attempt: (attempt.time, attempt.id, attempt.attempt))
    bypasses = tuple(_bypasses(plan, days)) if plan.unseen else ()
    return World(
        plan, days, tuple(attempts), loop[0].session_id, bypasses, tuple(lines(plan.seed, days))
    )


def days_of(month: str) -> tuple[date, ...]:
    try:
        first = date.fromisoformat(f"{month}-01")
    except ValueError as error:
        raise Refused(f"{month!r} is not a month. Write it as 2026-10.") from error
    following = (first + timedelta(days=32)).replace(day=1)
    return tuple(first + timedelta(days=day) for day in range((following - first).days))


def _shares(calls: int) -> Iterator[tuple[Feature, int]]:
    """Calls for each feature; what rounding leaves over goes to the first."""
    whole = sum(feature.share for feature in FEATURES)
    counts = [calls * feature.share // whole for feature in FEATURES]
    counts[0] += calls - sum(counts)
    return zip(FEATURES, counts, strict=True)


class _Labels(msgspec.Struct, frozen=True):
    """What a conversation's calls have in common."""

    session_id: str
    trace_id: str
    customer: str | None
    environment: str | None
    tagged: bool


class _Caller:
    """One feature's traffic: conversations of one or more turns, spread over the month."""

    def __init__(self, seed: int, feature: Feature, days: tuple[date, ...]) -> None:
        self._feature = feature
        self._dice = Dice(seed, f"{feature.project}/{feature.name}")
        self._start = _midnight(days[0])
        self._last = _midnight(days[-1]) + timedelta(days=1, milliseconds=-1)
        self._hours = ladder(tuple(_hourly(feature, days)))
        self._customers = ladder([weight for _, weight in CUSTOMERS])
        self._environments = ladder([weight for _, weight in ENVIRONMENTS])

    def calls(self, count: int) -> Iterator[Attempt]:
        left = count
        while left:
            turns = min(left, self._dice.between(1, self._feature.turns))
            yield from self._conversation(turns)
            left -= turns

    def _conversation(self, turns: int) -> Iterator[Attempt]:
        dice, labels = self._dice, self._labels()
        hour = dice.weighted(self._hours)
        moment = self._start + timedelta(hours=hour, milliseconds=dice.below(3_600_000))
        context = 0
        for _ in range(turns):
            usage = self._usage(context)
            for attempt in self._tries(min(moment, self._last), usage, labels):
                yield attempt
                moment = attempt.time
            context = usage.input_tokens + usage.output_visible
            moment += timedelta(milliseconds=dice.between(8_000, 90_000))

    def _labels(self) -> _Labels:
        dice = self._dice
        tagged = not dice.chance(_UNTAGGED)
        customer, _ = CUSTOMERS[dice.weighted(self._customers)]
        environment, _ = ENVIRONMENTS[dice.weighted(self._environments)]
        session, trace = f"s-{dice.hex(12)}", dice.hex(32)
        if not tagged:
            return _Labels(session, trace, None, None, tagged=False)
        named = customer if self._feature.customers else None
        return _Labels(session, trace, named, environment, tagged=True)

    def _usage(self, context: int) -> Usage:
        dice, feature = self._dice, self._feature
        new = dice.near(feature.input_tokens)
        total = context + new
        read = max(context, total * feature.cached // 1000)
        read = read // _CACHE_BLOCK * _CACHE_BLOCK if total >= _CACHE_FROM else 0
        written = new * feature.written // 1000
        reasoning = feature.output_tokens * feature.reasoning // 1000
        return Usage(
            input_fresh=total - read - written,
            cache_read=read,
            cache_write_short=written,
            output_visible=dice.near(feature.output_tokens),
            reasoning=dice.near(reasoning) if reasoning else 0,
        )

    def _tries(self, moment: datetime, usage: Usage, labels: _Labels) -> Iterator[Attempt]:
        """The answer, or a failure; and sometimes a failure first."""
        dice = self._dice
        call, luck = _call_id(dice, moment), dice.below(1000)
        first = self._attempt(call, moment, labels)
        if luck >= _RETRIED:
            yield _answered(dice, first, usage)
            return
        yield first
        if luck >= _FAILED:
            later = min(moment + timedelta(milliseconds=dice.between(900, 7_000)), self._last)
            retry = msgspec.structs.replace(first, attempt=2, time=later, span_id=dice.hex(16))
            yield _answered(dice, retry, usage)

    def _attempt(self, call: str, moment: datetime, labels: _Labels) -> Attempt:
        """As it looks before an answer: failed."""
        feature, dice = self._feature, self._dice
        return Attempt(
            id=call,
            time=moment,
            model=feature.model,
            status="error",
            latency_ms=dice.between(40, 900),
            team=feature.team if labels.tagged else None,
            project=feature.project if labels.tagged else None,
            feature=feature.name if labels.tagged else None,
            customer=labels.customer,
            environment=labels.environment,
            key=f"{feature.project}-{labels.environment}" if labels.tagged else None,
            session_id=labels.session_id,
            trace_id=labels.trace_id,
            span_id=dice.hex(16),
            request_hash=dice.hex(32),
        )


def _answered(dice: Dice, attempt: Attempt, usage: Usage) -> Attempt:
    return msgspec.structs.replace(
        attempt,
        status="ok",
        response_id=_response_id(dice, attempt.model.provider),
        usage=usage,
        latency_ms=250 + usage.output_tokens * dice.between(6, 22) + usage.input_tokens // 40,
        shipped=2 if dice.chance(_SHIPPED_TWICE) else 1,
    )


def _loop(seed: int, days: tuple[date, ...], count: int) -> list[Attempt]:
    """An agent that nobody watched, asking the same thing all night until somebody woke up."""
    feature = next(feature for feature in FEATURES if feature.name == LOOPING)
    sunday = [day for day in days if day.isoweekday() == 7][2]  # noqa: PLR2004  ISO's Sunday
    begin, dice = _midnight(sunday) + timedelta(minutes=40), Dice(seed, "loop")
    step = 5 * 3_600_000 // count
    usage = Usage(input_fresh=6_180, output_visible=96)
    session, trace, request = f"s-{dice.hex(12)}", dice.hex(32), dice.hex(32)
    calls = []
    for number in range(count):
        moment = begin + timedelta(milliseconds=step * number + dice.below(step))
        pending = Attempt(
            id=_call_id(dice, moment),
            time=moment,
            model=feature.model,
            latency_ms=0,
            team=feature.team,
            project=feature.project,
            feature=feature.name,
            environment="prod",
            key=f"{feature.project}-prod",
            session_id=session,
            trace_id=trace,
            span_id=dice.hex(16),
            request_hash=request,
        )
        calls.append(_answered(dice, pending, usage))
    return calls


def _bypasses(plan: Plan, days: tuple[date, ...]) -> Iterator[Bypass]:
    """A nightly script that used a key of its own, not the gateway's, for three days."""
    dice = Dice(plan.seed, "bypass")
    for day in (days[number - 1] for number in _BYPASS_DAYS):
        requests = plan.calls * dice.between(45, 60) // 1000
        yield Bypass(
            day=day,
            model=GPT_4O_MINI,
            project=BYPASSING,
            requests=requests,
            usage=Usage(
                input_fresh=requests * dice.between(2_100, 2_600),
                output_visible=requests * dice.between(300, 380),
            ),
        )


def _hourly(feature: Feature, days: tuple[date, ...]) -> Iterator[int]:
    more, than = _GROWTH
    for number, day in enumerate(days):
        level = 1_000 * more**number // than**number
        weekday = feature.weekend if day.isoweekday() > 5 else 1_000  # noqa: PLR2004  Friday
        yield from (level * weekday * weight for weight in feature.hours)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _call_id(dice: Dice, moment: datetime) -> str:
    """A UUIDv7 (RFC 9562 §5.7): 48 bits of milliseconds, then chance."""
    elapsed = moment - datetime(1970, 1, 1, tzinfo=UTC)
    milliseconds = elapsed // timedelta(milliseconds=1)
    return f"{milliseconds:012x}7{dice.hex(3)}{dice.pick('89ab')}{dice.hex(15)}"


def _response_id(dice: Dice, provider: str) -> str:
    """An id of the shape that the provider gives its answers."""
    if provider == "openai":
        return "chatcmpl-" + dice.text(_DIGITS + _LETTERS, 29)
    if provider == "anthropic":
        return "msg_01" + dice.text(_DIGITS + _LETTERS, 22)
    return dice.text(_DIGITS + _LETTERS + "-_", 22)
