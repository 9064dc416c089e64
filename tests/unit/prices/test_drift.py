"""Two price lists are compared where both hold, rate by rate."""

from datetime import UTC, datetime

from farthing.prices.book import Book
from farthing.prices.drift import changes, drift, restored, snapshot
from farthing.prices.gaps import GAPS
from farthing.prices.sources.genai_prices import SOURCE

QUESTIONS = [
    ("openai", "gpt-4o", ()),
    ("deepseek", "deepseek-v4-flash", ()),
    ("openai", "gpt-5.6-sol", (("service_tier", "flex"),)),
    ("openai", "zorg-9", ()),
]
BOOK = Book(SOURCE, gaps=GAPS)


def test_a_snapshot_of_a_book_equals_the_book():
    before = restored(snapshot(BOOK, QUESTIONS))
    assert before[QUESTIONS[1]] == BOOK.rates("deepseek", "deepseek-v4-flash")
    assert drift(before, BOOK) == ()


def test_a_price_cut_is_a_change_of_every_rate_it_touches(tmp_path):
    (tmp_path / "farthing.toml").write_text('[[prices]]\nmodel = "gpt-4o"\ninput_mtok = "2"\n')
    deal = Book.load(tmp_path)
    found = changes(deal.rates("openai", "gpt-4o"), deal.rates("openai", "gpt-4o", {}, 1))
    # What has no price of its own, as cache writes here, costs what the input costs.
    assert {change.unit for change in found} == {
        "input_fresh",
        "cache_write_short",
        "cache_write_long",
    }
    assert {(change.was, change.now) for change in found} == {
        (2_500_000_000_000, 2_000_000_000_000)
    }


def test_only_the_hours_that_differ_are_reported():
    plain = Book(SOURCE)
    found = changes(
        plain.rates("deepseek", "deepseek-flash"), BOOK.rates("deepseek", "deepseek-flash")
    )
    assert {change.weekdays for change in found} == {(6, 7), None}
    weekend = [change for change in found if change.weekdays == (6, 7)]
    assert {(change.from_minute, change.to_minute) for change in weekend} == {(60, 240), (360, 600)}
    assert {change.since for change in weekend} == {datetime(2026, 8, 23, tzinfo=UTC)}


def test_a_model_that_got_or_lost_its_price_is_a_change():
    rates = BOOK.rates("openai", "gpt-4o")
    assert {change.was for change in changes((), rates)} == {None}
    assert {change.now for change in changes(rates, ())} == {None}
    assert changes((), ()) == ()
