"""Times are read in the zone they were meant in, and days have the hours that they had."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from farthing.domain.errors import Refused
from farthing.domain.period import Period, deadline, duration, moment, month, zone

NOW = datetime(2026, 10, 15, 14, 30, tzinfo=UTC)
BERLIN = zone("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("30d", "2026-09-14T22:00"),
        ("2w", "2026-09-30T22:00"),
        ("12h", "2026-10-15T02:30"),
        ("today", "2026-10-14T22:00"),
        ("yesterday", "2026-10-13T22:00"),
        ("2026-10", "2026-09-30T22:00"),
        ("2026-10-03", "2026-10-02T22:00"),
        ("2026-10-03T12:00", "2026-10-03T10:00"),
        ("2026-10-03T12:00Z", "2026-10-03T12:00"),
    ],
)
def test_times_are_in_the_zone_asked_for(text, utc):
    assert moment(text, NOW, BERLIN) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


def test_the_month_with_the_clock_change_has_an_hour_more():
    october = month("2026-10", BERLIN)
    assert october.until - october.since == timedelta(days=31, hours=1)


def test_the_period_before_is_as_long():
    period = Period(NOW - timedelta(days=3), NOW)
    assert period.before() == Period(NOW - timedelta(days=6), NOW - timedelta(days=3))
    assert Period(None, NOW).before() is None


@pytest.mark.parametrize("text", ["soon", "2026-13", "2026-10-32", "d", "-3d"])
def test_what_is_not_a_time_is_refused(text):
    with pytest.raises(Refused):
        moment(text, NOW, BERLIN)


def test_a_zone_that_does_not_exist_is_refused():
    with pytest.raises(Refused, match="IANA"):
        zone("Mars/Olympus")


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90m", timedelta(minutes=90)),
        ("24h", timedelta(days=1)),
        ("2w", timedelta(days=14)),
        ("0m", timedelta()),
    ],
)
def test_a_length_of_time_is_read(text, length):
    assert duration(text) == length


@pytest.mark.parametrize("text", ["", "1", "1y", "-1d", "1.5h", "9999999999w", "today"])
def test_what_is_no_length_of_time_is_refused(text):
    with pytest.raises(Refused, match="90m, 24h, 30d"):
        duration(text)


def test_a_deadline_counts_from_now_or_is_a_date():
    now = datetime(2026, 11, 25, 12, tzinfo=UTC)
    berlin = zone("Europe/Berlin")
    assert deadline("30d", now, berlin) == now + timedelta(days=30)
    assert deadline("2026-12-01", now, berlin) == datetime(2026, 11, 30, 23, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2026-11-25", "0m", "99999999d", "soon"])
def test_a_deadline_lies_ahead(text):
    with pytest.raises(Refused):
        deadline(text, datetime(2026, 11, 25, 12, tzinfo=UTC), zone("UTC"))
