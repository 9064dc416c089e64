"""Which targets fail or dawdle, so that others come first for a while."""

from __future__ import annotations

from farthing.policy import policy
from farthing.policy.rules.recent import Recent
from farthing.policy.rules.target import Target

MOST_TARGETS = 2_000
_REMEMBERED = 0.8  # of the time to first byte, with each answer


class _State:
    __slots__ = ("failures", "first_byte", "out_until")

    def __init__(self) -> None:
        self.failures = 0
        self.out_until = 0.0
        self.first_byte: float | None = None


class Health:
    """Failures in a row and time to first byte of each target.

    A target whose time is over is tried again; its first failure then puts it out once more.
    """

    def __init__(self, knobs: policy.Health) -> None:
        self._knobs = knobs
        self._is_off, self._is_on = knobs.mode == "off", knobs.mode == "on"
        self._states: Recent[Target, _State] = Recent(MOST_TARGETS)

    def failed(self, target: Target, now: float) -> None:
        """It gave an error that counts against it: 5xx, 429, nothing at all."""
        if self._is_off:
            return
        state = self._states.get(target) or self._states.put(target, _State())
        state.failures += 1
        if state.failures >= self._knobs.eject_after:
            state.out_until = now + self._knobs.eject_seconds

    def answered(self, target: Target, first_byte: float) -> None:
        """It worked, and took so many seconds to its first byte."""
        if self._is_off:
            return
        state = self._states.get(target) or self._states.put(target, _State())
        state.failures, state.out_until = 0, 0.0
        before = state.first_byte
        state.first_byte = (
            first_byte if before is None else _REMEMBERED * before + (1 - _REMEMBERED) * first_byte
        )

    def is_out(self, target: Target, now: float) -> bool:
        state = self._states.get(target)
        return state is not None and state.out_until > now

    def order(self, targets: tuple[Target, ...], now: float) -> tuple[Target, ...]:
        """The targets of one model: sound ones first, slow ones behind them, then those out.

        None is left out: where all are out, trying beats refusing.
        """
        return self.would_order(targets, now) if self._is_on else targets

    def would_order(self, targets: tuple[Target, ...], now: float) -> tuple[Target, ...]:
        """What `order` gives where the mode is on."""
        if not len(self._states) or len(targets) < 2:  # noqa: PLR2004  # one is no choice
            return targets
        limit = self._too_slow(targets)
        return tuple(sorted(targets, key=lambda target: self._rank(target, now, limit)))

    def out_last(self, targets: tuple[Target, ...], now: float) -> tuple[Target, ...]:
        """Targets of any models: a slower model is no slow target, but one that is out waits."""
        return self.would_out_last(targets, now) if self._is_on else targets

    def would_out_last(self, targets: tuple[Target, ...], now: float) -> tuple[Target, ...]:
        """What `out_last` gives where the mode is on."""
        if not len(self._states):
            return targets
        return tuple(sorted(targets, key=lambda target: self.is_out(target, now)))

    def _rank(self, target: Target, now: float, too_slow: float) -> int:
        state = self._states.get(target)
        if state is None:
            return 0
        if state.out_until > now:
            return 2
        return int((state.first_byte or 0.0) > too_slow)

    def _too_slow(self, targets: tuple[Target, ...]) -> float:
        if self._knobs.slow is None:
            return float("inf")
        states = [self._states.get(target) for target in targets]
        times = [state.first_byte for state in states if state and state.first_byte is not None]
        return self._knobs.slow * min(times) if times else float("inf")
