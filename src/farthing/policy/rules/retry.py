"""Whether a call that failed is tried again, and when."""

from __future__ import annotations

from typing import Final, Literal

from farthing.policy.amounts import WHOLE
from farthing.policy.policy import Retry
from farthing.policy.rules.minute import Minute

Failure = int | Literal["not_sent", "lost"]  # an HTTP status, or what the transport met

_FIRST_PAUSE: Final = 0.25  # seconds; doubles with every attempt


class Retries:
    """`[retry]`, and how many there were of how many calls in the last minute.

    The budget keeps a provider in trouble from being buried: tries beyond it are not made, as in
    Finagle's RetryBudget and Envoy's retry_budget. `floor` of them a minute are always granted,
    for where there are few calls.
    """

    def __init__(self, knobs: Retry) -> None:
        self._knobs = knobs
        self.is_shadow = knobs.mode == "shadow"
        self._statuses = frozenset(knobs.on)
        self._calls, self._retries = Minute(), Minute()

    def began(self, now: float) -> None:
        """A call makes its first attempt."""
        self._calls.add(now, 1)

    def counts(self, failure: Failure) -> bool:
        """Whether it is the provider's failure, that another try or target may not have."""
        if isinstance(failure, int):
            return failure in self._statuses
        return failure == "not_sent" or self._knobs.lost

    def is_on_for(self, failure: Failure) -> bool:
        """Whether such a failure is tried again, as far as the budget grants it."""
        return self._knobs.mode == "on" and self._knobs.attempts > 0 and self.counts(failure)

    def again(
        self,
        failure: Failure,
        made: int,
        now: float,
        jitter: float,
        *,
        elsewhere: bool,
        retry_after: float | None = None,
    ) -> float | None:
        """Seconds to wait before the next attempt, or None to give up; grants are counted.

        `made` attempts were made. `elsewhere`: the next one goes to another target, at once. One
        to the same target waits as long as the provider asks, or gives up where that is longer
        than `max_wait_seconds`; else for a pause that doubles, between half and all of it by
        `jitter` (0 to 1). In shadow the answer is the same, and whoever asks makes no attempt.
        """
        knobs = self._knobs
        if made > knobs.attempts or knobs.mode == "off" or not self.counts(failure):
            return None
        wait = 0.0
        if not elsewhere:
            pause = min(_FIRST_PAUSE * 2 ** (made - 1), knobs.max_wait_seconds)
            wait = pause * (0.5 + jitter / 2) if retry_after is None else max(0.0, retry_after)
        if wait > knobs.max_wait_seconds:
            return None
        granted = max(knobs.floor, self._calls.total(now) * knobs.budget // WHOLE)
        if self._retries.total(now) >= granted:
            return None
        self._retries.add(now, 1)
        return wait
