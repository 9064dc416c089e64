"""How much each key, team or customer may ask in a minute, and at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from farthing.policy.policy import Limit
from farthing.policy.rules.match import Facts, filter_of
from farthing.policy.rules.minute import Minute
from farthing.policy.rules.recent import Recent

MOST_SUBJECTS = 10_000  # of each limit; the count of who was not seen for longest is forgotten
_NO_OWN: Mapping[str, Limit] = {}


class Over(msgspec.Struct, frozen=True):
    """A limit that is reached, and when to come back."""

    wait: float  # seconds
    reason: str  # with the next step


class Admission:
    """A call that was let in. Every exit hands it back to `Limiter.settle`, once."""

    __slots__ = ("amounts", "at", "counts", "shadows")

    def __init__(self, at: float, amounts: tuple[int, int, int]) -> None:
        self.at, self.amounts = at, amounts
        self.counts: list[_Counts] = []
        self.shadows: list[str] = []  # what limits in shadow would have said


FREE = Admission(0.0, (0, 0, 0))  # no limit looks at this call


class _Bound(NamedTuple):
    name: str  # as the policy calls it
    kind: int  # which of a call's amounts: 0 requests, 1 tokens, 2 picodollars
    most: int


class _Counts:
    """What one subject asked of one limit: a sum for each of its bounds."""

    __slots__ = ("running", "sums")

    def __init__(self, bounds: tuple[_Bound, ...]) -> None:
        self.sums = [(bound, Minute()) for bound in bounds]
        self.running = 0


class _Rule:
    __slots__ = ("bounds", "limit", "most_running", "per", "subjects", "test")

    def __init__(self, limit: Limit, subjects: Recent[str, _Counts] | None) -> None:
        self.limit, self.test = limit, filter_of(limit.where)
        self.per = limit.per.removeprefix("tags.")
        self.bounds = tuple(_bounds(limit))
        self.most_running = limit.concurrency
        fresh: Recent[str, _Counts] = Recent(MOST_SUBJECTS, busy=lambda one: one.running > 0)
        self.subjects = fresh if subjects is None else subjects  # an empty one is falsy

    def counts_of(self, subject: str) -> _Counts:
        found = self.subjects.get(subject)
        return found if found is not None else self.subjects.put(subject, _Counts(self.bounds))

    def over(self, counts: _Counts, call: Admission) -> tuple[str, float] | None:
        """The first bound that has no room for the call, and the seconds until it has."""
        if self.most_running is not None and counts.running >= self.most_running:
            return "concurrency", 1.0
        for (name, kind, most), sum_ in counts.sums:
            taken = sum_.total(call.at)
            amount = call.amounts[kind]
            # At the bound, nothing more goes in, not even a call that is thought to be free.
            if taken and (taken + amount > most or taken >= most):
                return name, sum_.wait(call.at, max(0, min(most - amount, most - 1)))
            if not most:
                return name, 60.0
        return None


class Limiter:
    """All limits of a policy, with `own`: those that a key brings along, by its id.

    `before` is the limiter of the policy before: what its limits counted goes on where they are
    still the same.
    """

    def __init__(
        self,
        limits: Sequence[Limit],
        own: Mapping[str, Limit] = _NO_OWN,
        before: Limiter | None = None,
    ) -> None:
        known = {} if before is None else before._tables()
        self._rules = [
            _Rule(limit, known.get((None, limit))) for limit in limits if limit.mode != "off"
        ]
        self._own = {key: _Rule(limit, known.get((key, limit))) for key, limit in own.items()}

    def admit(self, facts: Facts, now: float, tokens: int = 0, pico: int = 0) -> Admission | Over:
        """Let a call in under every limit, or under none.

        `tokens` and `pico` are what it may use, as far as one knows; `settle` corrects them. One
        that is larger than a whole limit passes when nothing else was counted in that minute:
        refused then, it could never run.
        """
        if not self._rules and not self._own:
            return FREE
        admission = Admission(now, (1, tokens, pico))
        for rule in self._concerned(facts):
            subject = facts.get(rule.per)
            if not subject:
                continue
            counts = rule.counts_of(subject)
            over = rule.over(counts, admission)
            if over is not None:
                words = _words(rule.limit, subject, over)
                if rule.limit.mode == "on":
                    return Over(over[1], words)
                admission.shadows.append(words)
                continue  # refused, it would count under no limit
            admission.counts.append(counts)
        _count(admission)
        return admission if admission.counts or admission.shadows else FREE

    def settle(self, admission: Admission, now: float, tokens: int, pico: int) -> None:
        """The call is over, and used so much. A second time does nothing."""
        used = (1, tokens, pico)
        counted = admission.amounts
        for counts in admission.counts:
            counts.running -= 1
            if used == counted:
                continue
            for bound, sum_ in counts.sums:
                if difference := used[bound.kind] - counted[bound.kind]:
                    sum_.correct(admission.at, now, difference)
        admission.counts = []

    def _concerned(self, facts: Facts) -> list[_Rule]:
        found = [rule for rule in self._rules if rule.test is None or rule.test(facts)]
        if self._own and (own := self._own.get(facts.get("key") or "")):
            found.append(own)
        return found

    def _tables(self) -> dict[tuple[str | None, Limit], Recent[str, _Counts]]:
        """What is counted, by limit and the key that brought it."""
        return {(None, rule.limit): rule.subjects for rule in self._rules} | {
            (key, rule.limit): rule.subjects for key, rule in self._own.items()
        }


def _count(admission: Admission) -> None:
    for counts in admission.counts:
        counts.running += 1
        for bound, sum_ in counts.sums:
            sum_.add(admission.at, admission.amounts[bound.kind])


def _bounds(limit: Limit) -> Iterator[_Bound]:
    if limit.requests_per_minute is not None:
        yield _Bound("requests_per_minute", 0, limit.requests_per_minute)
    if limit.tokens_per_minute is not None:
        yield _Bound("tokens_per_minute", 1, limit.tokens_per_minute)
    if limit.usd_per_minute is not None:
        yield _Bound("usd_per_minute", 2, limit.usd_per_minute.pico)


def _words(limit: Limit, subject: str, over: tuple[str, float]) -> str:
    what, wait = over
    bound = getattr(limit, what)
    again = "when one of its calls has ended" if what == "concurrency" else f"in {wait:.0f} s"
    return (
        f"The limit of {limit.per} {subject!r} is reached: {what} = {bound}. Try again {again}, "
        "or have it raised ([[limit]] in the policy, or the key's rates)."
    )
