"""Dollars for amounts billed in another currency, by the user's dated rates; never 1:1.

The rates file is a CSV with the columns `date,currency,usd`: from that day on, one unit of the
currency is so many dollars. Without a rate an amount stays as billed, flagged `unconverted`.
"""

from __future__ import annotations

import csv
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

import duckdb

from farthing.config import Settings
from farthing.domain.currency import ISO_4217
from farthing.domain.errors import BadInput

_MOST_USD = 1000  # for one unit; no currency comes near, and `converted` has room for no more


def load(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Create the table `currency_rates` in `connection`. Raises BadInput naming the line."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE currency_rates"
        " (fx_currency VARCHAR, fx_since DATE, fx_usd DECIMAL(18,9))"
    )
    if settings.currency_rates is None:
        return
    folder = settings.path.parent if settings.path else Path.cwd()
    file = folder / settings.currency_rates
    if not file.is_file():
        raise BadInput(str(file), "no such file", "Correct currency_rates in farthing.toml.")
    try:
        text = file.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(str(file), "the text is not UTF-8", "Save the rates as UTF-8.") from error
    rows = csv.DictReader(text.splitlines())
    for row in rows:
        rate = _rate(row, f"{file}:{rows.line_num}")
        connection.execute("INSERT INTO currency_rates VALUES (?, ?, ?)", rate)


def joined(rows: str) -> str:
    """SQL: `rows` with `fx_usd`, the rate in force when the charge began; NULL where none is."""
    return f"""
        SELECT row.*, fx_usd FROM ({rows}) AS row ASOF LEFT JOIN currency_rates
          ON fx_currency = billing_currency AND fx_since <= make_timestamp(epoch_us(time))::DATE"""


def converted(cost: str) -> str:
    # 38 digits are all there are: 9 of the rate, 12 of the cost, 17 before the point.
    return f"({cost})::DECIMAL(26,12) * fx_usd::DECIMAL(12,9)"


def _rate(row: dict[str, str], where: str) -> tuple[str, str, str]:
    try:
        currency = row["currency"].strip().upper()
        since = date.fromisoformat(row["date"].strip())
        usd = Decimal(row["usd"].strip())
    except (KeyError, AttributeError, ValueError, InvalidOperation) as error:
        raise BadInput(
            where, "is not a currency rate", "Write date,currency,usd, as in 2026-10-01,EUR,1.0842."
        ) from error
    if currency not in ISO_4217 or not usd.is_finite() or not 0 < usd < _MOST_USD:
        raise BadInput(
            where,
            f"{currency} at {usd} is no rate",
            f"Use an ISO 4217 code and dollars above 0, below {_MOST_USD}.",
        )
    return currency, since.isoformat(), str(usd)
