"""Drift is what the same traffic costs elsewhere, to the last digit, less what was booked."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from farthing.domain.money import Money
from farthing.domain.period import Period
from farthing.domain.usage import Usage
from farthing.ledger import schema, table
from farthing.ledger.drift import Drift, drift
from farthing.ledger.queries import Selection
from farthing.ledger.rerate import rerate
from farthing.prices.book import Book, Priced
from farthing.views import drift as view
from tests.imports import HEADER, NOW, Desk
from tests.unit.ledger.test_supersede import tokens, usage

OFF_17 = '[[prices]]\nprovider = "openai"\ndiscount = "17%"\n'
EVERYTHING = Selection()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def compared(desk: Desk, selection: Selection = EVERYTHING, **options: Any) -> list[Drift]:
    book = Book.load(desk.workspace.root, options.pop("contracts_in", None))
    return drift(desk.workspace, selection, book, **options)


def take(desk: Desk, *lines: str) -> None:
    desk.take_text(HEADER + "".join(f"{line}\n" for line in lines))


def test_where_prices_are_what_they_were_there_is_no_difference(desk: Desk) -> None:
    take(desk, "2026-10-01T00:00:00Z,openai,gpt-4o,100,50,search")
    (found,) = compared(desk)
    assert (found.rows, found.was, found.difference) == (1, Money.of("0.00075"), Money.ZERO)


def test_it_is_what_a_rerate_would_change(desk: Desk) -> None:
    take(
        desk,
        "2026-10-01T00:00:00Z,openai,gpt-4o,101,53,search",
        "2026-10-01T00:00:00Z,anthropic,claude-sonnet-4-5,250001,53,search",
        "2026-10-01T00:00:00Z,,our-llama,100,50,search",
    )
    desk.configure(OFF_17 + '[[prices]]\nmodel = "our-llama"\ninput_mtok = "1"\noutput_mtok = "1"')
    found = compared(desk)
    assert [(each.model, str(each.difference), each.priced) for each in found] == [
        ("our-llama", "0.00015", 1),
        ("gpt-4o", "-0.000133025", 0),
        ("claude-sonnet-4-5", "0", 0),
    ]
    before = table.files(desk.workspace, schema.CALLS)
    done = rerate(desk.workspace, EVERYTHING, lambda: NOW, dry_run=True)
    assert Money.sum(each.difference for each in found) == done.difference
    assert table.files(desk.workspace, schema.CALLS) == before
    rerate(desk.workspace, EVERYTHING, lambda: NOW)
    assert not any(each.difference for each in compared(desk))


def test_against_a_day_all_traffic_is_priced_as_of_that_day(desk: Desk) -> None:
    desk.configure(f"{OFF_17}since = 2026-10-15\n")
    take(
        desk,
        "2026-10-01T09:30:00Z,openai,gpt-4o,100,50,search",
        "2026-10-20T09:30:00Z,openai,gpt-4o,100,50,search",
    )
    (before,) = compared(desk, on=date(2026, 10, 14))
    (after,) = compared(desk, on=date(2026, 10, 15))
    assert before.was == after.was == Money.of("0.0013725")
    assert (before.now, after.now) == (Money.of("0.0015"), Money.of("0.001245"))


def test_hours_stay_what_they_were_when_the_day_is_another(desk: Desk) -> None:
    hours = [datetime(2026, 10, 6, hour, 15, tzinfo=UTC) for hour in range(24)]
    take(desk, *(f"{when:%Y-%m-%dT%H:%M:%SZ},deepseek,deepseek-chat,1000,100,x" for when in hours))
    moved = date(2025, 3, 4)  # when nights were cheaper
    (found,) = compared(desk, on=moved)
    book = Book.load(desk.workspace.root)
    answers = [
        book.price("deepseek", "deepseek-chat", Usage(input_fresh=1000, output_visible=100), when)
        for when in (each.replace(year=2025, month=3, day=4) for each in hours)
    ]
    priced = [answer.contracted for answer in answers if isinstance(answer, Priced)]
    assert len(set(priced)) == 2
    assert found.now == Money.sum(priced)


def test_against_a_file_its_contracts_stand_in_for_ours(desk: Desk) -> None:
    desk.configure(OFF_17)
    take(desk, "2026-10-01T00:00:00Z,openai,gpt-4o,100,50,search")
    offer = desk.write("offer.toml", OFF_17.replace("17%", "40%"))
    (found,) = compared(desk, contracts_in=offer)
    assert (found.was, found.now) == (Money.of("0.0006225"), Money.of("0.00045"))
    assert view.percent(found) == "-27.7108"


def test_what_has_no_price_there_is_in_neither_sum(desk: Desk) -> None:
    llama = '[[prices]]\nmodel = "our-llama"\ninput_mtok = "1"\noutput_mtok = "1"\n'
    desk.configure(llama)
    take(desk, "2026-10-01T00:00:00Z,,our-llama,100,50,search")
    desk.configure("")
    (found,) = compared(desk)
    assert (found.rows, found.unpriced, found.was, found.now) == (1, 1, Money.ZERO, Money.ZERO)
    assert view.percent(found) is None
    assert "1 row has no price there" in view.sentence([found])


def test_a_dollar_that_calls_and_a_usage_page_tell_of_counts_once(desk: Desk) -> None:
    desk.take_text(usage(tokens(100, 50)), "usage.json")
    assert [each.rows for each in compared(desk)] == [1]
    take(
        desk,
        "2026-10-01T00:00:00Z,openai,gpt-4o,60,30,search",
        "2026-10-01T00:00:00Z,openai,gpt-4o,40,20,search",
    )
    (found,) = compared(desk)
    assert (found.rows, found.was) == (2, Money.of("0.00075"))


def test_usage_pages_and_calls_of_other_days_add_up(desk: Desk) -> None:
    desk.take_text(usage(tokens(100, 50)), "usage.json")
    take(desk, "2026-10-02T00:00:00Z,openai,gpt-4o,100,50,search")
    found = compared(desk)
    assert [(each.model, each.rows, each.was) for each in found] == [
        ("gpt-4o", 2, Money.of("0.0015"))
    ]


def test_only_the_window_that_was_asked_for_is_compared(desk: Desk) -> None:
    start = datetime(2026, 10, 1, tzinfo=UTC)
    take(desk, *(f"2026-10-0{day}T00:00:00Z,openai,gpt-4o,100,50,x" for day in (1, 2, 3)))
    (found,) = compared(desk, Selection(Period(start, start + timedelta(days=2))))
    assert found.was.decimal == Decimal("0.0015")
