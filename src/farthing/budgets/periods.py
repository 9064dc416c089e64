"""Which day, week or month a moment lies in, in a budget's own timezone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from farthing.budgets.budget import Span
from farthing.domain.period import zone


def period_of(span: Span, timezone: str, now: datetime) -> tuple[datetime | None, datetime | None]:
    """The period's first moment and the next one's, UTC; None twice for `total` and `run`.

    Periods have no gaps and no overlaps, whatever clocks do: midnight that strikes twice counts
    the first time, one that is skipped is the moment of the change.
    """
    if span in {"total", "run"}:
        return None, None
    tz = zone(timezone)
    first = _first_day(span, now.astimezone(tz).date())
    start, end = _midnight(first, tz), _midnight(_next(span, first), tz)
    while end <= now:  # clocks went back over midnight: by the calendar it is yesterday again
        first = _next(span, first)
        start, end = end, _midnight(_next(span, first), tz)
    return start, end


def label_of(start: datetime | None) -> str:
    """A period as the sums in state.db name it; empty where there is none."""
    return "" if start is None else f"{start.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _first_day(span: Span, day: date) -> date:
    if span == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if span == "month" else day


def _next(span: Span, first: date) -> date:
    if span == "month":
        return (first + timedelta(days=32)).replace(day=1)
    return first + timedelta(days=7 if span == "week" else 1)


def _midnight(day: date, tz: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=tz).astimezone(UTC)
