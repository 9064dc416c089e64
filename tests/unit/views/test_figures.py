"""One rounding rule everywhere."""

import pytest

from farthing.domain.money import Money
from farthing.views import figures


@pytest.mark.parametrize(
    ("usd", "shown"),
    [
        ("0", "$0"),
        ("0.000000000001", "$0.000000000001"),
        ("0.0012345", "$0.00123"),
        ("0.9996", "$1.00"),
        ("0.5", "$0.500"),
        ("1", "$1.00"),
        ("12.345", "$12.34"),
        ("99.999", "$100.00"),
        ("1234.5", "$1,234"),
        ("-1234567.9", "-$1,234,568"),
        ("99999999999999.5", "$100,000,000,000,000"),
    ],
)
def test_dollars_follow_the_rounding_rule(usd, shown):
    assert figures.dollars(Money.of(usd)) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, "0"), (9999, "9,999"), (12345, "12.3k"), (1234567, "1.23M"), (2_500_000_000, "2.5G")],
)
def test_counts_keep_three_digits(number, shown):
    assert figures.count(number) == shown


def test_changes_are_signed_and_new_is_new():
    one, two = Money.of(1), Money.of(2)
    assert figures.change(two, one) == "+100%"
    assert figures.change(one, two) == "-50%"
    assert figures.change(one, one) == "0%"
    assert figures.change(one, Money.ZERO) == "new"
    assert figures.change(one, None) == ""


def test_a_sparkline_has_one_bar_a_day_and_the_highest_is_full():
    line = figures.sparkline([Money.of(n) for n in (0, 1, 7, -1)])
    assert line == "▁▂█▁"
    assert figures.sparkline([Money.of(1)]) == ""


def test_unit_costs_round_once_and_nothing_is_divided_by_zero():
    assert str(figures.per(Money.of(1), 3)) == "0.333333333333"
    assert figures.per(Money.of(1), 0) is None
    assert str(figures.per_million(Money.of(1), 3)) == "333333.333333333333"
