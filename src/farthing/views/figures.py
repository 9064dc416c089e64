"""How figures are written for people: one rounding rule everywhere, units always."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal

from farthing.domain.money import Money

_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
_BARS = "▁▂▃▄▅▆▇█"
_MILLION = 1_000_000


def dollars(amount: Money) -> str:
    """From $100 no cents, below $1 three significant digits: `$1,234`, `$12.35`, `$0.00123`."""
    sign, size = ("-" if amount.pico < 0 else ""), abs(amount.decimal)
    if size >= Decimal("0.9995"):
        places = "1" if size >= 100 else "0.01"  # noqa: PLR2004  the rule above
        return f"{sign}${size.quantize(Decimal(places), context=_EXACT):,}"
    return f"{sign}${_significant(size)}"


def _significant(size: Decimal) -> str:
    if not size:
        return "0"
    rounded = Context(prec=3, rounding=ROUND_HALF_EVEN).plus(size)
    places = max(rounded.adjusted() - 2, -12)  # there is nothing below a picodollar
    return f"{rounded.quantize(Decimal(1).scaleb(places)):f}"


def percent(part: Money, whole: Money) -> str:
    """`41%`, `0.4%`, `<0.1%`; a dash where there is no whole."""
    if not whole:
        return "-"
    ratio = Decimal(100 * part.pico) / Decimal(whole.pico)
    if abs(ratio) < Decimal("0.05"):
        return "<0.1%" if ratio > 0 else "0%"
    return f"{ratio:.0f}%" if abs(ratio) >= 1 else f"{ratio:.1f}%"


def change(now: Money, before: Money | None) -> str:
    """`+12%`, `-3%`, `new`; nothing where there is no before."""
    if before is None:
        return ""
    if not before:
        return "new" if now else "-"
    text = percent(now - before, before)
    return text if text[0] in "-<" or text == "0%" else f"+{text}"


def count(number: int) -> str:
    """`950`, `12.3k`, `4.56M`, `7.89G`."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if abs(number) >= size * 10 or (size > 10**3 and abs(number) >= size):
            return f"{Context(prec=3).divide(Decimal(number), Decimal(size)):f}{unit}"
    return f"{number:,}"


def sparkline(amounts: Sequence[Money]) -> str:
    """One bar a day, the highest day full; nothing for less than two days."""
    top = max((amount.pico for amount in amounts), default=0)
    if len(amounts) < 2 or top <= 0:  # noqa: PLR2004
        return ""
    last = len(_BARS) - 1
    return "".join(_BARS[max(0, amount.pico) * last // top] for amount in amounts)


def condensed(amounts: Sequence[Money], width: int = 31) -> list[Money]:
    """At most `width` amounts: stretches of neighbours added up, the last one may be shorter."""
    size = -(-len(amounts) // width) or 1
    return [Money.sum(amounts[at : at + size]) for at in range(0, len(amounts), size)]


def share(part: Money, whole: Money) -> str:
    """A part of the whole as a decimal string of six places; `0` of nothing."""
    if not whole:
        return "0.000000"
    return f"{_EXACT.divide(Decimal(part.pico), Decimal(whole.pico)):.6f}"


def per(amount: Money, units: int, size: int = 1) -> Money | None:
    """A unit cost, rounded to the picodollar: per call, or with `size` per million tokens."""
    return Money(round(Decimal(amount.pico) * size / units)) if units > 0 else None


def per_million(amount: Money, tokens: int) -> Money | None:
    return per(amount, tokens, _MILLION)


def printable(text: str) -> str:
    """A name from a source, safe on a terminal: control characters show as `�`."""
    return "".join(char if char.isprintable() else "�" for char in text)


def moment(time: datetime | None) -> str | None:
    """ISO 8601 in UTC, as JSON has it."""
    return None if time is None else time.astimezone(UTC).isoformat().replace("+00:00", "Z")
