"""Put a call's rows together again, and tell when its last one has come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from farthing.domain.call import Traced
from farthing.ledger.journal import decode_call
from farthing.ledger.tail import Line, Mark, Marks

MOST_OPEN = 10_000  # calls whose last attempt failed and whose fate is awaited

_CALL, _INTENT = b'{"line":"call"', b'{"line":"intent"'
_ATTEMPT, _FIRST = b'"attempt":', b'"attempt":1,'


def is_later(line: bytes) -> bool:
    """Whether it is of no first attempt. A line may leave a 1 out."""
    return _ATTEMPT in line and _FIRST not in line


@dataclass(slots=True)
class _Open:
    """A call whose last attempt failed: another may follow."""

    set: str
    mark: Mark
    rows: list[Traced] = field(default_factory=list)
    until: float | None = None  # when nothing more is expected; None: an attempt is under way


class WholeCalls:
    """Takes the journal's lines in their order. Times are of any clock that only goes forward."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}

    def take(self, line: Line, until: float) -> Traced | None:
        """The row that a line holds, if it is one. A failed call is awaited `until` then."""
        again = line.text.startswith(_INTENT) and is_later(line.text)
        if not again and not line.text.startswith(_CALL):
            return None
        try:
            row = decode_call(line.text)
        except (msgspec.DecodeError, UnicodeDecodeError):  # half a line, after a power cut
            return None
        known = self._open.get(row.id)
        if again:
            if known is not None:
                known.until = None
            return None
        if known is None:
            known = self._open[row.id] = _Open(line.set, line.mark)
        known.rows.append(row)
        known.until = until if row.status == "error" else 0.0
        return row

    def ended(self, now: float) -> Iterator[list[Traced]]:
        """Calls to which nothing more comes, each with its rows."""
        over = len(self._open) - MOST_OPEN
        for number, (call_id, each) in enumerate(list(self._open.items())):
            if number < over or (each.until is not None and each.until <= now):
                del self._open[call_id]
                yield each.rows

    def place(self, marks: Marks) -> Marks:
        """The place to read on from: before the first row of a call that is still open."""
        found = dict(marks)
        for each in self._open.values():
            if each.set in found:
                found[each.set] = min(found[each.set], each.mark)
        return found
