"""Price rows in bulk: a join with the book's integer rates, one rounding per charge.

The rule is that of `prices.rate.Rate`: a charge is the sum of count times rate over the units it
is priced in, in attodollars, rounded once, half to even, to picodollars. A test holds this and
`Book.price` equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import msgspec

from farthing.domain.usage import BUCKETS
from farthing.domain.where import Condition
from farthing.ledger import sql
from farthing.ledger.allocate import matches
from farthing.prices.book import Book
from farthing.prices.contracts import Contract
from farthing.prices.names import provider_of
from farthing.prices.rate import UNPRICED_UNITS, Rate

ATTO_PER_PICO = 10**6


@dataclass(frozen=True, slots=True)
class Key:
    """What decides which rates apply, besides time and size."""

    provider: str | None
    model: str | None
    context: str | None
    contracts: str | None  # numbers of the contracts whose who and when cover the row


@dataclass(frozen=True, slots=True)
class Rates:
    """The rates for the keys of one import: what the table `rates` of its connection holds."""

    rows: tuple[tuple[int, Rate], ...]
    extras: tuple[str, ...]  # detail units in use, besides the six buckets

    @property
    def distinct(self) -> tuple[Rate, ...]:
        return tuple({rate.price_id: rate for _, rate in self.rows}.values())

    @property
    def units(self) -> tuple[str, ...]:
        return (*BUCKETS, "requests", *self.extras)

    @property
    def whole(self) -> bool:
        """Every rate is a whole number of picodollars."""
        used = (side.get(unit, 0) for side in self._sides() for unit in self.units)
        return all(atto % ATTO_PER_PICO == 0 for atto in used)

    @property
    def silent(self) -> tuple[str, ...]:
        """The units that some rate has no price for."""
        used = [unit for unit in self.units if unit != "requests"]
        return tuple(u for u in used if not all(rate.answers_for(u) for _, rate in self.rows))

    @property
    def flagged(self) -> bool:
        """Whether `price_flags` may say anything."""
        return bool(self.silent) or any(rate.flags for _, rate in self.rows)

    @property
    def at_list(self) -> bool:
        """No contract changes a price."""
        return all(rate.list == rate.contracted for _, rate in self.rows)

    def _sides(self) -> list[Mapping[str, int]]:
        return [side for _, rate in self.rows for side in (rate.list, rate.contracted)]


def covering_contracts(contracts: Sequence[Contract]) -> str:
    """SQL: the numbers of the contracts that may price a row, by who and when, comma-separated.

    Which of them also names the row's provider and model is the book's to say: `load`.
    """
    arms = [f"CASE WHEN {_covers(contract)} THEN '{contract.number}' END" for contract in contracts]
    return f"concat_ws(',', {', '.join(arms)})" if arms else "NULL::VARCHAR"


def load(
    connection: duckdb.DuckDBPyConnection, book: Book, keys: Iterable[Key], extras: Iterable[str]
) -> Rates:
    """Create the tables `pricing_keys` and `rates` in `connection` for these keys."""
    numbered = list(enumerate(keys))
    rates = Rates(
        tuple((number, rate) for number, key in numbered for rate in _rates(book, key)),
        tuple(sorted(extras)),
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE pricing_keys (number INTEGER, provider_said VARCHAR,"
        " model_said VARCHAR, context_said VARCHAR, contracts_said VARCHAR, provider_known VARCHAR,"
        " provider_plain VARCHAR)"
    )
    for number, key in numbered:
        connection.execute(
            "INSERT INTO pricing_keys VALUES (?, ?, ?, ?, ?, ?, ?)",
            [number, *_said(key), _provider(book, key), key.provider and provider_of(key.provider)],
        )
    _fill(connection, rates)
    return rates


def keyed(query: str) -> str:
    """SQL: `query` with `pricing_key`, and the provider under the name that the book uses.

    `said_provider` is the name that the row itself came with, in its one spelling.
    """
    return f"""
        SELECT row.* REPLACE (coalesce(provider_known, row.provider) AS provider),
               pricing_keys.number AS pricing_key, provider_plain AS said_provider
        FROM ({query}) AS row LEFT JOIN pricing_keys
          ON provider_said IS NOT DISTINCT FROM row.provider
         AND model_said IS NOT DISTINCT FROM row.model
         AND context_said IS NOT DISTINCT FROM row.context
         AND contracts_said IS NOT DISTINCT FROM row.contracts"""


def priced(query: str, rates: Rates, *, large: bool) -> str:
    """SQL: `query`, as `keyed` left it, with list_usd, contracted_usd, price_id and price_flags.

    `large`: charges over whole periods, whose cost may not fit 64 bits.
    """
    listed = _charge("list", rates, large=large)
    contracted = listed if rates.at_list else _charge("contracted", rates, large=large)
    return f"""
        SELECT row.*, price_id, {_flags(rates)} AS price_flags,
               {listed} AS list_usd, {contracted} AS contracted_usd
        FROM ({query}) AS row LEFT JOIN rates
          ON {" AND ".join(["rates.number = row.pricing_key", *_bounds(rates, large=large)])}"""


def half_even(numerator: str, denominator: int) -> str:
    """SQL for `domain.money.round_half_even` of a non-negative whole number."""
    quotient, rest = f"({numerator} // {denominator})", f"({numerator} % {denominator})"
    return (
        f"({quotient} + CASE WHEN 2 * {rest} > {denominator}"
        f" OR (2 * {rest} = {denominator} AND {quotient} % 2 = 1) THEN 1 ELSE 0 END)"
    )


def _covers(contract: Contract) -> str:
    conditions = tuple(Condition(name, "~", glob) for name, glob in contract.who.items())
    tests = [matches(conditions)] if conditions else []
    tests += [f"time >= {_moment(contract.since)}"] if contract.since else []
    tests += [f"time < {_moment(contract.until)}"] if contract.until else []
    return " AND ".join(tests) or "true"


def _rates(book: Book, key: Key) -> tuple[Rate, ...]:
    context: Mapping[str, str] = msgspec.json.decode(key.context) if key.context else {}
    covering = {int(number) for number in key.contracts.split(",")} if key.contracts else set()
    named = (c.number for c in book.contracts_for(key.provider, key.model) if c.number in covering)
    return book.rates(key.provider, key.model, context, next(named, 0))


def _said(key: Key) -> tuple[str | None, ...]:
    return key.provider, key.model, key.context, key.contracts


def _provider(book: Book, key: Key) -> str | None:
    found = book.find(key.provider, key.model) if key.model else None
    if found:
        return found.provider
    return book.provider(key.provider) if key.provider else None


def _fill(connection: duckdb.DuckDBPyConnection, rates: Rates) -> None:
    # Picodollars in 64 bits where that is exact, else attodollars in 128: the sums run per row.
    kind, scale = ("BIGINT", ATTO_PER_PICO) if rates.whole else ("HUGEINT", 1)
    per_unit = ", ".join(
        f"list_{n} {kind}, contracted_{n} {kind}, least_{n} BIGINT, silent_{n} BOOLEAN"
        for n in range(len(rates.units))
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE rates (number INTEGER, price_id VARCHAR, price_flags VARCHAR,"
        " since TIMESTAMPTZ, until TIMESTAMPTZ, from_minute INTEGER, to_minute INTEGER,"
        f" weekdays INTEGER[], above BIGINT, upto BIGINT, {per_unit})"
    )
    for number, rate in rates.rows:
        values: list[Any] = [number, rate.price_id, ",".join(rate.flags) or None]
        values += [rate.since, rate.until, rate.from_minute, rate.to_minute]
        values += [list(rate.weekdays) if rate.weekdays else None, rate.above, rate.upto]
        for unit in rates.units:
            values += [rate.list.get(unit, 0) // scale, rate.contracted.get(unit, 0) // scale]
            values += [rate.minimums.get(unit), not rate.answers_for(unit)]
        marks = ", ".join("?" for _ in values)
        connection.execute(f"INSERT INTO rates VALUES ({marks})", values)


_PROMPT_OF_CALL = " + ".join(f"greatest(row.{bucket}, 0)" for bucket in BUCKETS[:4])
# A usage page adds up many calls, so its count is no prompt's length. Anthropic's, if grouped by
# context window, says which side of its one step the prompts were on; else they count as short.
_PROMPT_OF_BUCKET = (
    f"CASE {sql.json_value('row.context', 'context_window')} WHEN '200k-1M' THEN 200001 ELSE 0 END"
)


def _bounds(rates: Rates, *, large: bool) -> list[str]:
    """The conditions under which a rate applies; only those that some rate here has."""
    minute = "(epoch_us(row.time) // 60000000) % 1440"
    size = _PROMPT_OF_BUCKET if large else _PROMPT_OF_CALL
    weekday = "isodow(make_timestamp(epoch_us(row.time)))"
    tests = {
        "since": "row.time >= rates.since",
        "until": "row.time < rates.until",
        "from_minute": f"{minute} >= rates.from_minute",
        "to_minute": f"{minute} < rates.to_minute",
        "weekdays": f"list_contains(rates.weekdays, {weekday})",
        "above": f"{size} > rates.above",
        "upto": f"{size} <= rates.upto",
    }
    return [
        f"(rates.{bound} IS NULL OR {test})"
        for bound, test in tests.items()
        if any(getattr(rate, bound) is not None for _, rate in rates.rows)
    ]


def _flags(rates: Rates) -> str:
    """What is uncertain about a price, and whether it leaves out something that was counted."""
    tests = [
        f"(silent_{rates.units.index(unit)} AND {_counted(unit, rates)} > 0)"
        for unit in rates.silent
    ]
    if not tests:
        return "price_flags"
    left_out = f"CASE WHEN {' OR '.join(tests)} THEN '{UNPRICED_UNITS}' END"
    return f"nullif(concat_ws(',', price_flags, {left_out}), '')"


def _charge(side: str, rates: Rates, *, large: bool) -> str:
    wide = "::HUGEINT" if large or not rates.whole else ""
    total = " + ".join(
        f"{_count(unit, number, rates)}{wide} * {side}_{number}"
        for number, unit in enumerate(rates.units)
    )
    # A surcharge may be negative (audio cheaper than text); a charge may not.
    total = f"greatest({total}, 0)" if rates.extras else f"({total})"
    pico = total if rates.whole else half_even(total, ATTO_PER_PICO)
    if large:
        return f"({pico})::DECIMAL(38,0) * 0.000000000001::DECIMAL(13,12)"
    return f"(({pico})::DECIMAL(18,0) * 0.000000000001::DECIMAL(12,12))::DECIMAL(18,12)"


def _count(unit: str, number: int, rates: Rates) -> str:
    count = _counted(unit, rates)
    if any(unit in rate.minimums for _, rate in rates.rows):
        return (
            f"CASE WHEN {count} > 0 THEN greatest({count}, coalesce(least_{number}, 0)) ELSE 0 END"
        )
    return f"greatest({count}, 0)"


def _counted(unit: str, rates: Rates) -> str:
    if unit not in rates.extras:
        return unit
    return f"coalesce(try_cast({sql.json_value('details', unit)} AS BIGINT), 0)"


def _moment(when: datetime) -> str:
    return f"{sql.text(when.isoformat())}::TIMESTAMPTZ"
