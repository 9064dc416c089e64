"""Money: an exact number of picodollars (10⁻¹² USD). Floats are refused at the door."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from fractions import Fraction
from functools import total_ordering
from typing import ClassVar

from farthing.domain.errors import InexactNumber

PICO_PER_USD = 10**12
PLACES = 12
# Wide enough for every DECIMAL(38, 12); the default context would round at 28 digits.
_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)


@total_ordering
class Money:
    """An exact amount in USD. `Money.of("0.0004")` is four hundred-thousandths of ten dollars.

    Sums, differences and whole multiples are exact. Only `times` rounds, once, half to even.
    """

    __slots__ = ("pico",)
    ZERO: ClassVar[Money]

    pico: int

    def __init__(self, pico: int) -> None:
        if type(pico) is not int:
            raise InexactNumber(pico)
        object.__setattr__(self, "pico", pico)

    @classmethod
    def of(cls, usd: str | int | Decimal) -> Money:
        """Read dollars. More than twelve decimals, NaN and floats raise `InexactNumber`."""
        if isinstance(usd, bool) or not isinstance(usd, str | int | Decimal):
            raise InexactNumber(usd)
        try:
            scaled = _EXACT.scaleb(Decimal(usd), PLACES)
        except InvalidOperation as error:
            raise InexactNumber(usd) from error
        if not scaled.is_finite() or scaled != scaled.to_integral_value():
            raise InexactNumber(usd)
        return cls(int(scaled))

    @classmethod
    def sum(cls, amounts: Iterable[Money]) -> Money:
        return cls(sum(amount.pico for amount in amounts))

    @property
    def decimal(self) -> Decimal:
        return Decimal(self.pico).scaleb(-PLACES, _EXACT)

    def times(self, factor: Decimal | Fraction) -> Money:
        """Scale by a rate or a share, rounded once, half to even."""
        return Money(round(self.pico * Fraction(factor)))

    def split(self, weights: Sequence[int]) -> list[Money]:
        """Share out by weight so that the parts sum to the whole, to the last picodollar.

        Largest remainder: what rounding leaves over goes to the parts that lost most by it,
        earlier ones first. Equal weights of nothing (all zero) split evenly.
        """
        if not weights or any(type(weight) is not int or weight < 0 for weight in weights):
            raise ValueError("split takes at least one weight, each a whole number ≥ 0")
        shares = weights if any(weights) else [1] * len(weights)
        whole = sum(shares)
        floors = [self.pico * share // whole for share in shares]
        losses = [self.pico * share % whole for share in shares]
        left_over = self.pico - sum(floors)
        for index in sorted(range(len(shares)), key=lambda i: -losses[i])[:left_over]:
            floors[index] += 1
        return [Money(pico) for pico in floors]

    def __add__(self, other: Money) -> Money:
        return Money(self.pico + other.pico) if isinstance(other, Money) else NotImplemented

    def __radd__(self, other: object) -> Money:
        # sum() starts from the integer 0.
        return self if type(other) is int and other == 0 else NotImplemented

    def __sub__(self, other: Money) -> Money:
        return Money(self.pico - other.pico) if isinstance(other, Money) else NotImplemented

    def __mul__(self, count: int) -> Money:
        if type(count) is not int:
            raise InexactNumber(count)
        return Money(self.pico * count)

    __rmul__ = __mul__

    def __neg__(self) -> Money:
        return Money(-self.pico)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and self.pico == other.pico

    def __lt__(self, other: Money) -> bool:
        return self.pico < other.pico if isinstance(other, Money) else NotImplemented

    def __hash__(self) -> int:
        return hash(("usd", self.pico))

    def __bool__(self) -> bool:
        return self.pico != 0

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("Money is frozen")

    def __str__(self) -> str:
        """Plain decimal dollars, no exponent, no trailing zeros: `0.0004`, `12`, `-3.5`."""
        if 0 < self.pico < PICO_PER_USD:  # as most calls
            return f"0.{self.pico:012d}".rstrip("0")
        whole, part = divmod(abs(self.pico), PICO_PER_USD)
        sign = "-" if self.pico < 0 else ""
        cents = f"{part:012d}".rstrip("0")
        return f"{sign}{whole}.{cents}" if cents else f"{sign}{whole}"

    def __repr__(self) -> str:
        return f"Money.of({str(self)!r})"


Money.ZERO = Money(0)


def round_half_even(numerator: int, denominator: int) -> int:
    """The nearest whole number to a quotient, ties to even. The only rounding of a charge."""
    quotient, remainder = divmod(numerator, denominator)
    twice = 2 * remainder
    if twice > denominator or (twice == denominator and quotient & 1):
        return quotient + 1
    return quotient
