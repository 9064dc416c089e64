"""Money is exact: floats stay out, sums hold, splits lose nothing, one rounding at the end."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.domain.errors import InexactNumber
from farthing.domain.money import Money, round_half_even

picos = st.integers(-(10**30), 10**30)


@pytest.mark.parametrize("inexact", [0.1, float("nan"), True, None, "NaN", "1e-13", "ten", "inf"])
def test_what_is_not_an_exact_amount_is_refused(inexact):
    with pytest.raises(InexactNumber):
        Money.of(inexact)


@given(picos)
def test_an_amount_survives_being_written_and_read(pico):
    assert Money.of(str(Money(pico))) == Money(pico)
    assert Money.of(Money(pico).decimal) == Money(pico)


@given(picos, st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_splitting_never_loses_a_farthing(pico, weights):
    whole = Money(pico)
    parts = whole.split(weights)
    assert sum(parts) == whole
    assert len(parts) == len(weights)


@given(st.integers(0, 10**20), st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_no_part_is_off_by_more_than_a_picodollar(pico, weights):
    total = sum(weights)
    for part, weight in zip(Money(pico).split(weights), weights, strict=True):
        exact = Fraction(pico * weight, total) if total else Fraction(pico, len(weights))
        assert abs(part.pico - exact) < 1


@given(picos, st.fractions())
def test_scaling_rounds_once_half_to_even(pico, factor):
    exact = pico * factor
    assert Money(pico).times(factor).pico == round(exact)


@given(st.integers(0, 10**40), st.integers(1, 10**12))
def test_rounding_is_pythons_own_for_fractions(numerator, denominator):
    assert round_half_even(numerator, denominator) == round(Fraction(numerator, denominator))


@given(st.lists(picos))
def test_sums_are_exact(amounts):
    assert Money.sum(map(Money, amounts)).pico == sum(amounts)


def test_money_reads_as_plain_dollars():
    assert str(Money.of("0.0004")) == "0.0004"
    assert str(Money.of(Decimal("-3.50"))) == "-3.5"
    assert str(Money.of("1E+2")) == "100"
    assert repr(Money.of(12)) == "Money.of('12')"


def test_money_is_frozen_and_only_adds_to_money():
    with pytest.raises(AttributeError):
        Money(1).pico = 2
    with pytest.raises(TypeError):
        Money(1) + 1
    with pytest.raises(InexactNumber):
        Money(1) * 0.5
