"""A usage page's count adds up many prompts: it is not the length at which prices change."""

from decimal import Decimal

import duckdb
import pytest

from farthing.domain.usage import BUCKETS
from farthing.ledger import pricing
from farthing.ledger.pricing import Key
from farthing.prices.book import Book

MODEL = "claude-sonnet-4-5"  # 3 USD a million tokens, 6 in prompts of more than 200,000


@pytest.mark.parametrize(
    ("large", "context", "usd"),
    [
        (True, '{"context_window":"0-200k"}', "3"),
        (True, '{"context_window":"200k-1M"}', "6"),
        (True, None, "3"),
        (False, None, "6"),
    ],
    ids=["short prompts", "long prompts", "prompts of unknown length", "one call"],
)
def test_a_million_tokens_cost_what_their_prompts_do(large, context, usd, tmp_path):
    key = Key("anthropic", MODEL, context, None)
    counts = ", ".join(f"{1_000_000 if b == 'input_fresh' else 0}::BIGINT AS {b}" for b in BUCKETS)
    said = "NULL::VARCHAR" if context is None else f"'{context}'"
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        rates = pricing.load(connection, Book.load(tmp_path), [key], [])
        row = f"""SELECT 'anthropic' AS provider, '{MODEL}' AS model, {said} AS context,
                         NULL::VARCHAR AS contracts, TIMESTAMPTZ '2026-10-05 12:00:00Z' AS time,
                         1 AS requests, {counts}"""
        priced = pricing.priced(pricing.keyed(row), rates, large=large)
        found = connection.execute(f"SELECT contracted_usd FROM ({priced})").fetchall()
    assert found == [(Decimal(usd),)]
