"""Why a bill differs from the ledger: the likeliest reason, one small rule each.

Rules are asked in order and the first that fits wins. None of them changes a figure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from farthing.domain.money import Money

CENT: Final = Money.of("0.01")


@dataclass(frozen=True, slots=True)
class Side:
    """What one grain says of a day, model and project. `cost` None: nothing priced."""

    cost: Money | None = None
    calls: int = 0
    tokens: int = 0
    unpriced: int = 0
    recovered: int = 0
    tiered: bool = False  # some of it at a batch, flex or priority price
    credit: Money = Money.ZERO


@dataclass(frozen=True, slots=True)
class Difference:
    """The sides of one row, the gap, and the gaps of the same model on the days around it."""

    model: str | None
    ledger: Side | None
    usage: Side | None
    invoice: Side | None
    gap: Money | None
    around: tuple[Money, ...] = ()
    models_known: bool = True

    @property
    def bill(self) -> Side | None:
        return self.invoice if self.invoice is not None else self.usage

    @property
    def billed_tokens(self) -> int:
        """What the provider counted; 0 where it does not say."""
        return max(side.tokens if side else 0 for side in (self.usage, self.invoice))


Rule = Callable[[Difference], str | None]


def reason(difference: Difference) -> str | None:
    """The likely reason, None where there is no gap."""
    if difference.gap is not None and not difference.gap:
        return None
    return next((found for rule in RULES if (found := rule(difference))), None)


def not_billed(difference: Difference) -> str | None:
    return "not billed yet" if difference.gap is None else None


def rounding(difference: Difference) -> str | None:
    """Bills are often rounded to cents."""
    return "rounding" if _size(difference.gap) < CENT else None


def credit(difference: Difference) -> str | None:
    """A credit on the bill is as large as the gap, to a cent."""
    invoice = difference.invoice
    if invoice is None or not invoice.credit or difference.gap is None:
        return None
    return "credit" if _size(difference.gap - invoice.credit) < CENT else None


def recovered(difference: Difference) -> str | None:
    """Calls whose answer was lost are booked at what was held for them."""
    return "recovered" if difference.ledger and difference.ledger.recovered else None


def unpriced(difference: Difference) -> str | None:
    """The ledger knows the calls but not what they cost."""
    ledger = difference.ledger
    return "unpriced" if ledger and ledger.unpriced and _over(difference) else None


def timezone(difference: Difference) -> str | None:
    """The day before or after is off by as much the other way, to two per cent."""
    gap = difference.gap
    if gap is None:
        return None
    cancels = any(_size(gap + other) * 50 <= _size(gap) for other in difference.around)
    return "timezone" if cancels else None


def no_model(difference: Difference) -> str | None:
    """The bill names no model here though it does elsewhere: a tool, or a charge for all."""
    alone = difference.model is None and difference.models_known and difference.ledger is None
    return "no model on the bill" if alone else None


def tier(difference: Difference) -> str | None:
    """The bill has a batch, flex or priority price and the ledger has not, or the reverse."""
    if difference.ledger is None or _traffic_differs(difference):
        return None
    billed = [side.tiered for side in (difference.usage, difference.invoice) if side]
    return "tier" if billed and any(billed) != difference.ledger.tiered else None


def price_drift(difference: Difference) -> str | None:
    """The same tokens at another price."""
    if not difference.billed_tokens or difference.ledger is None:
        return None
    return None if _traffic_differs(difference) else "price drift"


def missing_traffic(difference: Difference) -> str | None:
    """Billed, but the ledger has seen less or nothing of it."""
    return "missing traffic" if _over(difference) else None


def extra_traffic(difference: Difference) -> str | None:
    """In the ledger, but not or not wholly on the bill: billed later, or counted twice."""
    return "extra traffic" if difference.gap is not None else None


RULES: Final[Sequence[Rule]] = (
    not_billed,
    rounding,
    credit,
    recovered,
    unpriced,
    timezone,
    no_model,
    tier,
    price_drift,
    missing_traffic,
    extra_traffic,
)


def _size(amount: Money | None) -> Money:
    if amount is None:
        return Money.ZERO
    return amount if amount >= Money.ZERO else -amount


def _over(difference: Difference) -> bool:
    return difference.gap is not None and difference.gap > Money.ZERO


def _traffic_differs(difference: Difference) -> bool:
    """Whether the provider counted other tokens than the ledger, by more than one in a thousand."""
    billed, seen = difference.billed_tokens, difference.ledger.tokens if difference.ledger else 0
    return bool(billed) and abs(billed - seen) * 1000 > billed
