"""Local days and hours as plain SQL: a zone's offsets become one CASE, exact on every engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Offsets:
    """Seconds to add to UTC. Each change says until when its offset held; `last` holds after."""

    changes: tuple[tuple[datetime, int], ...]
    last: int

    @property
    def is_utc(self) -> bool:
        return not self.changes and self.last == 0

    def seconds(self, time: Any) -> Any:
        """The offset at an Ibis timestamp, as an Ibis expression."""
        import ibis

        return self._choose(time, lambda offset: ibis.literal(offset, "int64"))

    def local(self, time: Any) -> Any:
        """The Ibis timestamp moved by its offset: its date is the local date."""
        import ibis

        return self._choose(time, lambda offset: time + ibis.interval(seconds=offset))

    def _choose(self, time: Any, value: Callable[[int], Any]) -> Any:
        import ibis

        if not self.changes:
            return value(self.last)
        branches = [
            (time < ibis.timestamp(until.isoformat()), value(offset))
            for until, offset in self.changes
        ]
        return ibis.cases(*branches, else_=value(self.last))


def offsets(zone: ZoneInfo, first: date, last: date) -> Offsets:
    """The offsets in force from the first to the last day, with a day to spare on both sides."""
    moment = datetime(first.year, first.month, first.day, tzinfo=UTC) - _DAY
    end = datetime(last.year, last.month, last.day, tzinfo=UTC) + 2 * _DAY
    changes: list[tuple[datetime, int]] = []
    while moment < end:
        following = moment + _DAY
        if _offset(zone, moment) != _offset(zone, following):
            changes.append((_change(zone, moment, following), _offset(zone, moment)))
        moment = following
    return Offsets(tuple(changes), _offset(zone, moment))


def _offset(zone: ZoneInfo, moment: datetime) -> int:
    offset = moment.astimezone(zone).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


def _change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The first second of the new offset, by halving."""
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=int((after - before).total_seconds()) // 2)
        if _offset(zone, middle) == _offset(zone, before):
            before = middle
        else:
            after = middle
    return after
