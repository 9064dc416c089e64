"""Every moment lies in one period, whatever clocks do."""

from datetime import UTC, datetime, timedelta
from zoneinfo import available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from farthing.budgets.periods import label_of, period_of

ZONES = sorted(available_timezones() - {"localtime"})
MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC))


@given(st.sampled_from(["day", "week", "month"]), st.sampled_from(ZONES), MOMENTS)
@example("day", "America/St_Johns", datetime(2006, 10, 29, 2, 45, tzinfo=UTC))
@example("day", "America/Sao_Paulo", datetime(2018, 11, 4, 3, 0, tzinfo=UTC))
@example("day", "America/Havana", datetime(2026, 11, 1, 4, 30, tzinfo=UTC))
@example("day", "Pacific/Apia", datetime(2011, 12, 30, 10, 0, tzinfo=UTC))
def test_a_moment_lies_in_its_period_and_the_next_begins_where_it_ends(span, zone, now):
    start, end = period_of(span, zone, now)
    assert start <= now < end
    assert period_of(span, zone, start) == (start, end)
    assert period_of(span, zone, end - timedelta(microseconds=1)) == (start, end)
    assert period_of(span, zone, end)[0] == end


@pytest.mark.parametrize(
    ("span", "start", "end"),
    [
        ("day", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),  # 25 hours
        ("week", "2026-10-18T22:00:00Z", "2026-10-25T23:00:00Z"),
        ("month", "2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z"),
    ],
)
def test_the_day_that_clocks_go_back_is_longer(span, start, end):
    found = period_of(span, "Europe/Berlin", datetime(2026, 10, 25, 12, tzinfo=UTC))
    assert tuple(map(label_of, found)) == (start, end)


@pytest.mark.parametrize("span", ["total", "run"])
def test_some_budgets_know_no_time(span):
    found = period_of(span, "UTC", datetime(2026, 1, 1, tzinfo=UTC))
    assert found == (None, None)
    assert label_of(found[0]) == ""
