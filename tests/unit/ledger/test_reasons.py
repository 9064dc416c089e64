"""The likely reason of a difference."""

from datetime import date

import pytest

from farthing.domain.money import Money
from farthing.ledger.reasons import Difference, Side, reason

DAY = date(2026, 10, 3)


def side(usd: str | None = "10", **fields) -> Side:
    return Side(None if usd is None else Money.of(usd), **fields)


def why(ledger=None, usage=None, invoice=None, around=(), model="gpt-4o", **fields) -> str | None:
    bill = invoice if invoice is not None else usage
    gap = None
    if bill is not None and bill.cost is not None:
        gap = bill.cost - (ledger.cost if ledger and ledger.cost else Money.ZERO)
    near = tuple(map(Money.of, around))
    return reason(Difference(model, ledger, usage, invoice, gap, near, **fields))


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        (None, why(side("10"), invoice=side("10"))),
        ("not billed yet", why(side("10"))),
        ("rounding", why(side("10"), invoice=side("10.009"))),
        ("missing traffic", why(None, invoice=side("10"))),
        ("missing traffic", why(side("4", tokens=40), side("10", tokens=100))),
        ("extra traffic", why(side("10", tokens=100), side("4", tokens=40))),
        ("price drift", why(side("10", tokens=1000), side("12", tokens=1000))),
        ("price drift", why(side("10", tokens=10_000), side("12", tokens=10_001), side("9"))),
        ("tier", why(side("10", tokens=1000), side("5", tokens=1000, tiered=True))),
        ("tier", why(side("10"), invoice=side("5", tiered=True))),
        ("tier", why(side("5", tiered=True), invoice=side("10"))),
        ("credit", why(side("10"), invoice=side("7", credit=Money.of("-3")))),
        ("recovered", why(side("10", recovered=2), invoice=side("7"))),
        ("unpriced", why(side("4", unpriced=3), invoice=side("7"))),
        ("timezone", why(side("10"), invoice=side("13"), around=["-3"])),
        ("timezone", why(side("10"), invoice=side("7"), around=["0", "2.95"])),
        ("missing traffic", why(side("10"), invoice=side("13"), around=["-2"])),
        ("no model on the bill", why(None, invoice=side("3"), model=None)),
        ("missing traffic", why(None, invoice=side("3"), model=None, models_known=False)),
    ],
)
def test_each_reason_is_found_where_it_fits(expected, found):
    assert found == expected
