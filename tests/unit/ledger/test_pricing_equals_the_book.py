"""The join that prices imports and the book that prices one call give the same answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path

import duckdb
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.config import Settings
from farthing.domain.scope import SCOPE
from farthing.domain.usage import BUCKETS, Usage
from farthing.ledger import pricing
from farthing.ledger.pricing import Key
from farthing.prices.book import Book, Priced
from farthing.prices.sources.genai_prices import SOURCE

CONTRACTS = """
[[prices]]
team = "se[a-f]rch"
discount = "17.3%"
until = 2026-09-01

[[prices]]
key = "k?y*"
model = "*4*"
discount = "33.333333%"

[[prices]]
account = "eu"
provider = "openai"
input_mtok = "0.1234567"
output_mtok = "1.9999999"
since = 2026-03-01

[[prices]]
model = "our-own-*"
input_mtok = "0.000001"
output_mtok = "3"
"""
WHO = ("account", *SCOPE)
UNITS = ("input_audio_tokens", "output_audio_tokens", "cache_audio_read_tokens", "web_searches",
         "audio_seconds", "input_audio_seconds", "input_image_tokens", "images",
         "input_document_pages", "storage_searches", "input_characters")  # fmt: skip
BLANK = dict.fromkeys(WHO, "")


@cache
def models():
    known = [(found.provider, found.model) for found in SOURCE.models()]
    odd = [("openai", "our-own-4"), (None, "gpt-4o"), ("nobody", "gpt-4o"), ("openai", "gpt-0")]
    # Those with hours, cliffs, extras or a second price come up as often as all others.
    often = [each for each in known if each[0] in {"deepseek", "anthropic", "groq", "google"}]
    return known, often, odd


def tokens():
    edges = st.sampled_from([0, 1, 3, 128_000, 200_000, 200_001, 272_001, 99_999_999])
    return st.one_of(st.integers(-5, 300_000), edges)


@st.composite
def asked(draw):
    provider, model = draw(st.one_of(*map(st.sampled_from, models())))
    usage = Usage(
        **{bucket: draw(tokens()) for bucket in BUCKETS},
        details=draw(st.dictionaries(st.sampled_from(UNITS), st.integers(0, 5_000), max_size=3)),
    )
    context = draw(
        st.sampled_from(
            [{}, {"processing": "batch"}, {"service_tier": "flex"}, {"service_tier": "priority"},
             {"speed": "fast"}, {"inference_geo": "us"}, {"deployment": "DataZoneStandard"}]
        )
    )  # fmt: skip
    minute = draw(st.integers(0, 3 * 366 * 24 * 60))
    when = datetime(2024, 3, 1, tzinfo=UTC) + timedelta(minutes=minute)
    who = {
        "team": draw(st.sampled_from(["", "search", "sexrch", "Search"])),
        "key": draw(st.sampled_from(["", "key", "kxy-1", "ky"])),
        "account": draw(st.sampled_from(["", "eu", "us"])),
    }
    return provider, model, usage, context, when, who


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    folder: Path = tmp_path_factory.mktemp("contracts")
    (folder / "farthing.toml").write_text(CONTRACTS)
    assert len(Settings.load(folder).prices) == 4
    return Book.load(folder)


@settings(max_examples=60, deadline=None)
@given(questions=st.lists(asked(), min_size=1, max_size=40))
def test_the_join_and_the_book_charge_the_same(book, questions):
    for question, joined in zip(questions, by_join(book, questions), strict=True):
        assert joined == by_book(book, *question), question


def by_book(book, provider, model, usage, context, when, who):
    told = {name: value for name, value in who.items() if value}
    answer = book.price(provider, model, usage, when, context, told)
    if not isinstance(answer, Priced):
        return None
    flags = ",".join(sorted(answer.flags)) or None
    return answer.list.decimal, answer.contracted.decimal, answer.price_ids[0], flags


def by_join(book, questions):
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        counts = ", ".join(f"{bucket} BIGINT" for bucket in BUCKETS)
        texts = ", ".join(f"{name} VARCHAR" for name in ("provider", "model", "context", *WHO))
        connection.execute(
            "CREATE TABLE rows (number INTEGER, time TIMESTAMPTZ, requests BIGINT,"
            f" details VARCHAR, {counts}, {texts})"
        )
        for number, (provider, model, usage, context, when, who) in enumerate(questions):
            told = BLANK | who
            row = [number, when, 1, text(usage.details)]
            row += [getattr(usage, bucket) for bucket in BUCKETS]
            row += [provider, model, text(context), *(told[name] or None for name in WHO)]
            connection.execute(f"INSERT INTO rows VALUES ({', '.join('?' * len(row))})", row)
        covering = pricing.covering_contracts(book.contracts)
        rows = f"SELECT *, {covering} AS contracts FROM rows"
        keys = connection.execute(
            f"SELECT DISTINCT provider, model, context, contracts FROM ({rows})"
        ).fetchall()
        units = {unit for question in questions for unit in question[2].details}
        rates = pricing.load(connection, book, [Key(*key) for key in keys], units)
        priced = pricing.priced(pricing.keyed(rows), rates, large=False)
        found = connection.execute(
            "SELECT list_usd, contracted_usd, price_id, price_flags"
            f" FROM ({priced}) ORDER BY number"
        ).fetchall()
    return [_answer(*row) for row in found]


def _answer(listed, contracted, price_id, flags):
    if price_id is None:
        return None
    return (
        Decimal(listed),
        Decimal(contracted),
        price_id,
        ",".join(sorted(flags.split(","))) if flags else None,
    )


def text(fields):
    return msgspec.json.encode(dict(fields), order="sorted").decode() if fields else None
