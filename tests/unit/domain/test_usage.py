"""Usage is counted in buckets that never overlap and add up to what was reported."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from farthing.domain.usage import BUCKETS, Usage

counts = st.integers(0, 10**9)
usages = st.builds(Usage, *(counts for _ in BUCKETS), st.dictionaries(st.text(max_size=5), counts))


@given(counts, counts, counts, counts, counts, counts)
def test_buckets_add_up_to_the_reported_totals(total_in, total_out, read, short, long, reasoning):
    usage = Usage.from_totals(
        input_total=total_in,
        output_total=total_out,
        cache_read=read,
        cache_write_short=short,
        cache_write_long=long,
        reasoning=reasoning,
    )
    assert usage.input_tokens == total_in
    assert usage.output_tokens == total_out
    assert usage.suspect == (read + short + long > total_in or reasoning > total_out)


@given(usages, usages)
def test_adding_usage_adds_every_count(one, other):
    both = one + other
    assert both.input_tokens == one.input_tokens + other.input_tokens
    assert both.output_tokens == one.output_tokens + other.output_tokens
    assert sum(both.details.values()) == sum(one.details.values()) + sum(other.details.values())
