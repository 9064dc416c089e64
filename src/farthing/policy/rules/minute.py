"""How much came in the last minute, never counted too low."""

from __future__ import annotations

SLOT_SECONDS = 5
_SLOTS = 60 // SLOT_SECONDS + 1  # the oldest counts until all of it is a minute old


class Minute:
    """A sum over the last 60 to 65 seconds, in slots of five.

    A limit on it lets no 60 seconds pass more than it allows, which two fixed windows or a token
    bucket would (up to twice as much). The price: an amount counts up to five seconds too long.
    `now` is in seconds of any clock that does not run backwards.
    """

    __slots__ = ("_index", "_slots", "_tick", "_total", "_until")

    def __init__(self) -> None:
        self._slots = [0] * _SLOTS
        self._total = 0
        self._tick = self._index = 0  # the slot of now, by number and by place
        self._until = float(SLOT_SECONDS)  # when it ends

    def total(self, now: float) -> int:
        if now >= self._until:
            self._roll(now)
        return self._total

    def add(self, now: float, amount: int) -> None:
        if now >= self._until:
            self._roll(now)
        self._slots[self._index] += amount
        self._total += amount

    def correct(self, then: float, now: float, difference: int) -> None:
        """What was added at `then` turned out to be more or less."""
        self.total(now)
        slots_ago = self._tick - int(then // SLOT_SECONDS)
        if slots_ago < _SLOTS:
            self._slots[(self._tick - max(0, slots_ago)) % _SLOTS] += difference
            self._total += difference
        elif difference > 0:  # too long ago to be counted there, and not to be lost
            self.add(now, difference)

    def wait(self, now: float, room: int) -> float:
        """Seconds until no more than `room` is left of what is counted now."""
        left = self.total(now)
        for tick in range(self._tick - _SLOTS + 1, self._tick + 1):
            if left <= room:
                break
            left -= self._slots[tick % _SLOTS]
            gone_at = (tick + _SLOTS) * SLOT_SECONDS
        else:
            return max(0.0, gone_at - now)
        return 0.0 if left == self._total else max(0.0, gone_at - now)

    def _roll(self, now: float) -> None:
        tick = int(now // SLOT_SECONDS)
        if tick - self._tick >= _SLOTS:
            self._slots = [0] * _SLOTS
            self._total = 0
        else:
            for passed in range(self._tick + 1, tick + 1):
                self._total -= self._slots[passed % _SLOTS]
                self._slots[passed % _SLOTS] = 0
        self._tick, self._index = tick, tick % _SLOTS
        self._until = float((tick + 1) * SLOT_SECONDS)
