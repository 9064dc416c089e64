"""Shares, stretches of time and hours of the day, as a policy writes them."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from farthing.domain.errors import InexactNumber
from farthing.domain.money import Money

WHOLE = 10_000  # a share counts ten-thousandths, so that 0.01 % is exact
_STEPS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_STRETCH = re.compile(r"(\d{1,12})\s*([smhd])")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\s*-\s*([01]\d|2[0-3]):([0-5]\d)")


class Share(int):
    """A part of all calls, in ten-thousandths: `0.1` and `"10%"` are Share(1000)."""

    @classmethod
    def of(cls, written: object) -> Share:
        if isinstance(written, Decimal):
            written = str(written)
        percent = isinstance(written, str) and written.strip().endswith("%")
        number = _decimal(str(written).strip().removesuffix("%"))
        parts = None if number is None else number * (100 if percent else WHOLE)
        if parts is None or not 0 <= parts <= WHOLE:
            raise ValueError(f'{written!r} is no share. Write 0 to 1, or "10%"')
        if parts != int(parts):
            raise ValueError(f"{written!r} is too fine a share; the smallest step is 0.0001")
        return cls(int(parts))

    def __str__(self) -> str:
        return f"{Decimal(int(self)).scaleb(-2).normalize():f}%"


class Stretch(int):
    """A length of time in seconds: `90`, `"90s"`, `"10m"`, `"1h"`, `"7d"`."""

    @classmethod
    def of(cls, written: object) -> Stretch:
        if isinstance(written, int) and not isinstance(written, bool) and written >= 0:
            return cls(written)
        found = _STRETCH.fullmatch(written.strip()) if isinstance(written, str) else None
        if found is None:
            raise ValueError(f'{written!r} is no length of time. Write it as "90s", "10m" or "1h"')
        return cls(int(found[1]) * _STEPS[found[2]])

    def __str__(self) -> str:
        for sign, seconds in reversed(_STEPS.items()):
            if self and self % seconds == 0:
                return f"{self // seconds}{sign}"
        return "0s"


def minutes_of_day(hours: str) -> tuple[int, int]:
    """`22:00-06:00` as minutes since midnight, from (inclusive) and to (exclusive)."""
    found = _HOURS.fullmatch(hours.strip())
    if found is None:
        raise ValueError(f'{hours!r} are no hours. Write them as "22:00-06:00"')
    start, end = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
    if start == end:
        raise ValueError(f"{hours!r} start when they end. Leave `hours` out to mean the whole day")
    return start, end


def days_of_week(days: str) -> frozenset[int]:
    """`mon-fri` or `sat,sun` as ISO weekdays, from 1 (Monday) to 7."""
    found: set[int] = set()
    for part in days.lower().split(","):
        first, _, last = part.strip().partition("-")
        if first not in _DAYS or (last and last not in _DAYS):
            raise ValueError(f'{days!r} are no days. Write them as "mon-fri" or "sat,sun"')
        start, end = _DAYS.index(first), _DAYS.index(last or first)
        found |= {(start + step) % 7 + 1 for step in range((end - start) % 7 + 1)}
    return frozenset(found)


def convert(wanted: type, written: Any) -> Any:
    """What msgspec asks when a field is none of its own types."""
    if wanted is Money:
        return _money(written)
    if wanted is Share:
        return Share.of(written)
    if wanted is Stretch:
        return Stretch.of(written)
    raise NotImplementedError(wanted)


def _money(written: object) -> Money:
    if isinstance(written, Decimal):
        written = str(written)
    try:
        # str of a float is the shortest text that means it: what the file said.
        amount = Money.of(str(written)) if not isinstance(written, bool) else Money(-1)
    except InexactNumber:
        amount = Money(-1)
    if amount < Money.ZERO:
        raise ValueError(f'{written!r} is no amount of dollars. Write it as "2.50"')
    return amount


def _decimal(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
