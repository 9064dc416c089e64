"""How much each key, team or customer may ask in a minute, and at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from farthing.policy.policy import Limit
from farthing.policy.rules.match import Facts, test_of
from farthing.policy.rules.minute import Minute
from farthing.policy.rules.recent import Recent

MOST_SUBJECTS = 10_000  # of each limit; the count of who was not seen for longest is forgotten
_NO_OWN: Mapping[str, Limit] = {}


class Over(msgspec.Struct, frozen=True):
    """A limit that is reached, and when to come back."""

    wait: float  # seconds
    reason: str  # with the next step


class _Counts:
    """What one subject asked of one limit."""

    __slots__ = ("pico", "requests", "running", "tokens")

    def __init__(self, limit: Limit) -> None:
        self.requests = Minute() if limit.requests_per_minute is not None else None
        self.tokens = Minute() if limit.tokens_per_minute is not None else None
        self.pico = Minute() if limit.usd_per_minute is not None else None
        self.running = 0


class Admission:
    """A call that was let in. Every exit hands it back to `Limiter.settle`, once."""

    __slots__ = ("at", "counts", "pico", "shadows", "tokens")

    def __init__(self, at: float, tokens: int, pico: int) -> None:
        self.at, self.tokens, self.pico = at, tokens, pico
        self.counts: list[_Counts] = []
        self.shadows: list[str] = []  # what limits in shadow would have said


FREE = Admission(0.0, 0, 0)  # no limit looks at this call


class _Rule:
    __slots__ = ("limit", "subjects", "test")

    def __init__(self, limit: Limit, subjects: Recent[str, _Counts] | None) -> None:
        self.limit, self.test = limit, test_of(limit.where)
        fresh: Recent[str, _Counts] = Recent(MOST_SUBJECTS, busy=lambda one: one.running > 0)
        self.subjects = fresh if subjects is None else subjects  # an empty one is falsy

    def counts_of(self, subject: str) -> _Counts:
        found = self.subjects.get(subject)
        return found if found is not None else self.subjects.put(subject, _Counts(self.limit))


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
        self._rules = [_Rule(limit, known.get((None, limit))) for limit in limits]
        self._own = {key: _Rule(limit, known.get((key, limit))) for key, limit in own.items()}

    def admit(self, facts: Facts, now: float, tokens: int = 0, pico: int = 0) -> Admission | Over:
        """Let a call in under every limit, or under none.

        `tokens` and `pico` are what it may use, as far as one knows; `settle` corrects them. One
        that is larger than a whole limit passes when nothing else was counted in that minute:
        refused then, it could never run.
        """
        if not self._rules and not self._own:
            return FREE
        admission = Admission(now, tokens, pico)
        for rule in self._concerned(facts):
            limit = rule.limit
            subject = facts.get(limit.per)
            if not subject:
                continue
            counts = rule.counts_of(subject)
            over = _over(limit, counts, admission)
            if over is None or limit.mode == "shadow":
                admission.counts.append(counts)
                if over is not None:
                    admission.shadows.append(_words(limit, subject, over))
                continue
            what, wait = over
            return Over(wait, _words(limit, subject, (what, wait)))
        for counts in admission.counts:
            _count(counts, admission)
        return admission if admission.counts else FREE

    def settle(self, admission: Admission, now: float, tokens: int, pico: int) -> None:
        """The call is over, and used so much. A second time does nothing."""
        for counts in admission.counts:
            counts.running -= 1
            if counts.tokens is not None and tokens != admission.tokens:
                counts.tokens.correct(admission.at, now, tokens - admission.tokens)
            if counts.pico is not None and pico != admission.pico:
                counts.pico.correct(admission.at, now, pico - admission.pico)
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


def _over(limit: Limit, counts: _Counts, call: Admission) -> tuple[str, float] | None:
    """The first bound that has no room for the call, and the seconds until it has."""
    if limit.concurrency is not None and counts.running >= limit.concurrency:
        return "concurrency", 1.0
    usd = None if limit.usd_per_minute is None else limit.usd_per_minute.pico
    for name, counted, bound, amount in (
        ("requests_per_minute", counts.requests, limit.requests_per_minute, 1),
        ("tokens_per_minute", counts.tokens, limit.tokens_per_minute, call.tokens),
        ("usd_per_minute", counts.pico, usd, call.pico),
    ):
        if counted is None or bound is None:
            continue
        taken = counted.total(call.at)
        # At the bound, nothing more goes in, not even a call that is thought to be free.
        if taken > 0 and (taken + amount > bound or taken >= bound):
            return name, counted.wait(call.at, max(0, min(bound - amount, bound - 1)))
        if bound == 0:
            return name, 60.0
    return None


def _count(counts: _Counts, call: Admission) -> None:
    counts.running += 1
    if counts.requests is not None:
        counts.requests.add(call.at, 1)
    if counts.tokens is not None:
        counts.tokens.add(call.at, call.tokens)
    if counts.pico is not None:
        counts.pico.add(call.at, call.pico)


def _words(limit: Limit, subject: str, over: tuple[str, float]) -> str:
    what, wait = over
    bound = getattr(limit, what)
    again = "when one of its calls has ended" if what == "concurrency" else f"in {wait:.0f} s"
    return (
        f"The limit of {limit.per} {subject!r} is reached: {what} = {bound}. Try again {again}, "
        "or have it raised ([[limit]] in the policy, or the key's rates)."
    )
