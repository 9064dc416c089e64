"""See that an agent runs in circles, before it has spent the month's money."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Literal

import msgspec

from farthing.domain.money import Money
from farthing.policy.amounts import WHOLE
from farthing.policy.policy import Loop
from farthing.policy.rules.match import Facts, filter_of
from farthing.policy.rules.minute import Minute
from farthing.policy.rules.recent import Recent
from farthing.providers.protocol import Ask

MOST_SESSIONS, MOST_CALLS = 20_000, 50_000  # remembered of each rule; the oldest are forgotten
LONGEST_THROTTLE = 30.0  # seconds: callers give up on longer silence
_KB = 1024


class Verdict(msgspec.Struct, frozen=True):
    """What to do about a call. `shadow` is what would have been done, had the rule been on."""

    action: Literal["ok", "shadow", "throttle", "stop"]
    seconds: float = 0.0  # to hold a throttled call back
    reason: str = ""  # why, and how to lift it


OK = Verdict("ok")
_RANK = {"ok": 0, "shadow": 1, "throttle": 2, "stop": 3}


class _Session:
    __slots__ = ("first_bytes", "spend")

    def __init__(self) -> None:
        self.first_bytes = 0
        self.spend = Minute()


class _Rule:
    """One `[[loop]]`, and what it remembers."""

    __slots__ = ("calls", "loop", "per", "sessions", "test", "usd")

    def __init__(self, loop: Loop) -> None:
        self.loop, self.test = loop, filter_of(loop.where)
        self.per = loop.per.removeprefix("tags.")
        self.usd = None if loop.usd_per_minute is None else loop.usd_per_minute.pico
        # Times of the last `same_call` equal calls, by hash of session and call; a single time,
        # as most are, without an array around it.
        self.calls: Recent[int, float | array[float]] = Recent(MOST_CALLS)
        self.sessions: Recent[str, _Session] = Recent(MOST_SESSIONS)

    def subject(self, facts: Facts) -> str | None:
        if self.test is not None and not self.test(facts):
            return None
        return facts.get(self.per) or None

    def session(self, subject: str) -> _Session:
        found = self.sessions.get(subject)
        return found if found is not None else self.sessions.put(subject, _Session())


class LoopGuard:
    """All `[[loop]]` rules. `before` is the guard of the policy before: equal rules remember."""

    def __init__(self, loops: Sequence[Loop], before: LoopGuard | None = None) -> None:
        known: dict[Loop, _Rule] = {} if before is None else before.rules
        self.rules: dict[Loop, _Rule] = {
            loop: known.get(loop) or _Rule(loop) for loop in loops if loop.mode != "off"
        }
        self._rules = tuple(self.rules.values())
        self._spending = [rule for rule in self._rules if rule.usd is not None]

    def observe(self, facts: Facts, now: float, digest: bytes, ask: Ask, size: int) -> Verdict:
        """Look at a call before it goes on; the hardest verdict of all rules.

        `digest` is equal for equal calls, `size` the bytes of the body. Stopped calls are looked
        at too: who keeps asking stays stopped until he pauses.
        """
        verdict = OK
        for rule in self._rules:
            subject = rule.subject(facts)
            if subject is None:
                continue
            sign = _sign(rule, subject, now, digest, ask, size)
            if sign is not None:
                found = _verdict(rule.loop, subject, sign)
                verdict = max(verdict, found, key=lambda one: _RANK[one.action])
        return verdict

    def spent(self, facts: Facts, now: float, pico: int) -> None:
        """What a call of a session cost, once that is known."""
        for rule in self._spending:
            subject = rule.subject(facts)
            if subject is not None:
                rule.session(subject).spend.add(now, pico)


_Sign = tuple[str, str, float]  # what is seen, the knob that says so, seconds to hold back


def _sign(
    rule: _Rule, subject: str, now: float, digest: bytes, ask: Ask, size: int
) -> _Sign | None:
    loop = rule.loop
    sign: _Sign | None = None
    if loop.same_call and _repeats(rule, hash((subject, digest)), now):
        what = f"made the same call {loop.same_call} times within {loop.within}"
        sign = what, "same_call", loop.within / loop.same_call
    if rule.usd is not None:
        spend = rule.session(subject).spend
        if spend.total(now) >= rule.usd:
            what = f"spent ${Money(spend.total(now))} within a minute"
            sign = sign or (what, "usd_per_minute", spend.wait(now, max(0, rule.usd - 1)))
    if loop.context_growth is not None:
        first = _first_bytes(rule, subject, size)
        if size >= first * loop.context_growth and size >= loop.min_context_kb * _KB:
            what = f"sends {size // _KB} KB a call, and began with {first} bytes"
            sign = sign or (what, "context_growth", LONGEST_THROTTLE)
    return sign or _failing_tools(loop, ask)


def _repeats(rule: _Rule, call: int, now: float) -> bool:
    """Whether this is the n-th equal call within the window."""
    wanted = rule.loop.same_call
    before = rule.calls.get(call)
    if before is None:
        rule.calls.put(call, float(now))
        return False
    times = array("d", (before,)) if isinstance(before, float) else before
    times.append(now)
    if len(times) > wanted:
        del times[0]
    rule.calls.put(call, times)
    return len(times) == wanted and now - times[0] <= rule.loop.within


def _first_bytes(rule: _Rule, subject: str, size: int) -> int:
    session = rule.session(subject)
    if not session.first_bytes:
        session.first_bytes = max(1, size)
    return session.first_bytes


def _failing_tools(loop: Loop, ask: Ask) -> _Sign | None:
    ratio = loop.tool_error_ratio
    if ratio is None:
        return None
    turns = ask.turns()
    if turns.tool_results < loop.min_tools:
        return None
    if turns.tool_errors * WHOLE < ratio * turns.tool_results:
        return None
    what = f"had {turns.tool_errors} of {turns.tool_results} tool calls fail"
    return what, "tool_error_ratio", LONGEST_THROTTLE


def _verdict(loop: Loop, subject: str, sign: _Sign) -> Verdict:
    what, knob, seconds = sign
    who = "Session" if loop.per == "session_id" else loop.per
    new = "start a new session (x-farthing-session)" if who == "Session" else "wait"
    reason = (
        f"{who} {subject!r} {what}, as an agent in a loop does. If it is meant, {new}, or raise "
        f"{knob} of the policy's [[loop]] with `farthing policy set`."
    )
    if loop.mode == "shadow":
        return Verdict("shadow", 0.0, reason)
    held = min(seconds, LONGEST_THROTTLE) if loop.action == "throttle" else 0.0
    return Verdict(loop.action, held, reason)
