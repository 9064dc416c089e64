"""Stretches of time as people ask for them: `30d`, `2026-10`, a date, in a named zone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from farthing.domain.errors import Refused

_AGO = re.compile(r"(\d+)\s*([mhdw])")
_STEP = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True, slots=True)
class Period:
    """From `since` (inclusive) to `until` (exclusive), both UTC; None is open."""

    since: datetime | None = None
    until: datetime | None = None

    def before(self) -> Period | None:
        """The stretch of equal length just before, for comparison; None if open at the start."""
        if self.since is None or self.until is None:
            return None
        try:
            return Period(self.since - (self.until - self.since), self.since)
        except OverflowError:  # there is no such time
            return None


def zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise Refused(
            f"No timezone is called {name!r}. Use an IANA name such as Europe/Berlin."
        ) from error


def moment(text: str, now: datetime, tz: ZoneInfo) -> datetime:
    """Read `30d`, `12h`, `today`, `2026-10`, `2026-10-03` or an ISO time, as UTC.

    Ages count back from now to the start of that day (d, w) or to the minute (m, h). Dates are
    midnight in `tz`; a time without an offset is in `tz` too.
    """
    try:
        return _moment(text, now, tz)
    except OverflowError as error:
        raise Refused(f"{text!r} is further away than dates go. Use 30d, 2026-10 …") from error


def _moment(text: str, now: datetime, tz: ZoneInfo) -> datetime:
    local = now.astimezone(tz)
    if ago := _AGO.fullmatch(text):
        count, step = int(ago[1]), ago[2]
        then = local - timedelta(**{_STEP[step]: count})
        return _midnight(then.date(), tz) if step in "dw" else then.astimezone(UTC)
    if text in {"today", "yesterday"}:
        return _midnight(local.date() - timedelta(days=text == "yesterday"), tz)
    if re.fullmatch(r"\d{4}-\d{2}", text):
        return month(text, tz).since or now
    return _iso(text, tz)


def duration(text: str) -> timedelta:
    """Read `90m`, `24h`, `30d`, `2w`."""
    found = _AGO.fullmatch(text.strip())
    try:
        if found is not None:
            return timedelta(**{_STEP[found[2]]: int(found[1])})
    except OverflowError:
        pass
    raise Refused(f"{text!r} is no length of time. Write it as 90m, 24h, 30d or 2w.")


def deadline(text: str, now: datetime, tz: ZoneInfo) -> datetime:
    """Read `30d` (from now), a date or an ISO time in the future, as UTC."""
    try:
        ends = now + duration(text) if _AGO.fullmatch(text) else _iso(text, tz)
    except OverflowError as error:
        raise Refused(f"{text!r} is further away than dates go.") from error
    if ends <= now:
        raise Refused(f"{text!r} is not in the future. Write 30d, or a later date.")
    return ends


def month(text: str, tz: ZoneInfo) -> Period:
    """The calendar month `2026-10` in `tz`."""
    try:
        first = date.fromisoformat(f"{text}-01")
    except ValueError as error:
        raise Refused(f"{text!r} is not a month. Write it as 2026-10.") from error
    following = (first + timedelta(days=32)).replace(day=1)
    return Period(_midnight(first, tz), _midnight(following, tz))


def _iso(text: str, tz: ZoneInfo) -> datetime:
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refused(
            f"{text!r} is not a time. Use 30d, 12h, today, 2026-10, 2026-10-03 or an ISO time."
        ) from error
    return (when if when.tzinfo else when.replace(tzinfo=tz)).astimezone(UTC)


def _midnight(day: date, tz: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=tz).astimezone(UTC)
