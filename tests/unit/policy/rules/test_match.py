"""A filter made ready answers as the filter itself does."""

from __future__ import annotations

from fnmatch import fnmatchcase

from hypothesis import given
from hypothesis import strategies as st

from farthing.domain.where import Condition, holds, parse
from farthing.policy.rules.match import filter_of, glob_of

words = st.text("ab*?[]-!", max_size=5)
values = st.one_of(st.none(), st.text("ab-", max_size=4))
facts = st.dictionaries(st.sampled_from(["team", "model", "tier"]), values)
conditions = st.builds(
    Condition,
    st.sampled_from(["team", "model", "tags.tier", "tag.tier"]),
    st.sampled_from(["=", "!=", "~"]),
    words,
)


@given(st.lists(conditions, min_size=1, max_size=3), facts)
def test_a_filter_made_ready_holds_when_the_filter_does(wanted, found):
    text = ",".join(f'{c.field}{c.operator}"{c.value}"' for c in wanted)
    ready = filter_of(text)
    assert ready is not None
    assert ready(found) == holds(parse(text), found)


@given(words, st.text("ab*-", max_size=6))
def test_a_glob_made_ready_matches_what_the_glob_does(glob, text):
    assert bool(glob_of(glob)(text)) == fnmatchcase(text, glob)


def test_no_filter_is_no_question():
    assert filter_of("") is None
