"""What is stored as text comes back equal, money to the last picodollar."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.domain.errors import Defect
from farthing.domain.money import Money
from farthing.domain.text import from_text, to_text


class Row(msgspec.Struct, frozen=True):
    cost: Money
    name: str | None = None


@given(
    st.integers(-(10**30), 10**30), st.none() | st.text(st.characters(exclude_categories=["Cs"]))
)
def test_a_row_comes_back_equal(pico, name):
    row = Row(Money(pico), name)
    assert from_text(to_text(row), Row) == row


def test_equal_values_are_equal_texts():
    assert to_text({"b": 1, "a": 2}) == to_text({"a": 2, "b": 1})


@pytest.mark.parametrize("text", ["", "{", '{"cost": 1.5}', '{"name": "x"}'])
def test_a_damaged_text_is_a_defect(text):
    with pytest.raises(Defect):
        from_text(text, Row)


def test_what_has_no_text_is_a_defect():
    with pytest.raises(Defect):
        to_text({"x": object()})
