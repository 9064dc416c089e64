"""The user's own prices: `[[prices]]` in farthing.toml, a discount or absolute, dated, scoped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from fnmatch import fnmatchcase
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec

from farthing.domain.errors import BadInput
from farthing.domain.money import round_half_even
from farthing.domain.scope import SCOPE
from farthing.prices.tariff import Tariff
from farthing.prices.units import by_price_key, units

WHO = ("account", *SCOPE)
_LIMITS = ("context_window", "max_output_tokens")
_PLAIN = ("provider", "model", *WHO, "since", "until", "discount", "source", *_LIMITS)


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """One `[[prices]]` entry. The first that matches a call prices it.

    `who` maps a call's account, key, team … to a glob (`*`, `?`, `[…]`, case matters); a call
    without the field does not match. Provider and model globs ignore case. `off` is the share
    taken off the list price; `prices` are attodollars by unit, instead of it. An entry with
    neither prices nothing: it only says how many tokens a model takes and gives.
    """

    number: int  # 1 for the first
    provider: str = "*"
    model: str = "*"
    who: Mapping[str, str] = {}
    since: datetime | None = None
    until: datetime | None = None  # exclusive
    off: Decimal | None = None  # 0.17 for "17%"
    prices: Mapping[str, int] = {}
    context_window: int | None = None
    max_output: int | None = None
    source: str = ""

    @property
    def is_price(self) -> bool:
        return self.off is not None or bool(self.prices)

    def covers(self, providers: tuple[str | None, ...], models: tuple[str, ...]) -> bool:
        """Whether a model's names, as asked and as the price list has them, match."""
        return any(_glob(self.provider, name or "") for name in providers) and any(
            _glob(self.model, name) for name in models
        )

    def is_for(self, who: Mapping[str, str]) -> bool:
        """Whether a caller is meant: every field that the contract names is told and matches."""
        return all(
            (told := who.get(field)) is not None and fnmatchcase(told, glob)
            for field, glob in self.who.items()
        )

    def holds(self, when: datetime) -> bool:
        if self.since is not None and when < self.since:
            return False
        return self.until is None or when < self.until

    def of(self, tariff: Tariff) -> Tariff:
        """The tariff under this contract."""
        if self.off is None:
            prices = {**tariff.prices, **self.prices}
        else:
            share = 1 - Fraction(self.off)
            prices = {unit: _part(price, share) for unit, price in tariff.prices.items()}
        return msgspec.structs.replace(tariff, prices=prices, source=self.source)


def read(entries: Iterable[Mapping[str, Any]], path: Path) -> tuple[Contract, ...]:
    """The contracts of a farthing.toml. BadInput names the file, the entry and the fix."""
    return tuple(_Entry(path, number, raw).contract() for number, raw in enumerate(entries, 1))


class _Entry:
    """One raw entry, and the words to refuse it with."""

    def __init__(self, path: Path, number: int, raw: Mapping[str, Any]) -> None:
        self.path, self.number, self.raw = path, number, raw

    def contract(self) -> Contract:
        self._refuse_unknown()
        prices = {
            by_price_key()[key].name: self._price(key) for key in self.raw if key not in _PLAIN
        }
        off, (window, most) = self._discount(), map(self._count, _LIMITS)
        nothing = off is None and not prices and window is None and most is None
        if nothing or (off is not None and prices):
            raise self._bad(
                "it needs a discount or prices, one of them",
                'Give discount = "17%", or prices such as input_mtok = "0.50".',
            )
        self._refuse_orphans(prices)
        since, until = self._moment("since"), self._moment("until")
        if since and until and since >= until:
            raise self._bad("`until` is not after `since`", "`until` is the first day without it.")
        return Contract(
            number=self.number,
            provider=self._text("provider") or "*",
            model=self._text("model") or "*",
            who={field: text for field in WHO if (text := self._text(field))},
            since=since,
            until=until,
            off=off,
            prices=prices,
            context_window=window,
            max_output=most,
            source=self._text("source") or f"{self.path.name} [[prices]] {self.number}",
        )

    def _refuse_unknown(self) -> None:
        known = {*_PLAIN, *by_price_key()}
        for key in self.raw:
            if key not in known:
                near = get_close_matches(key, sorted(known), 1)
                fix = f"Did you mean `{near[0]}`?" if near else "Remove it."
                raise self._bad(f"nothing is called `{key}`", fix)

    def _refuse_orphans(self, prices: Mapping[str, int]) -> None:
        """A part cannot be priced where the whole is not: what would the rest cost?"""
        for part in prices:
            wholes = (u for u in units().values() if u.dimensions < units()[part].dimensions)
            for whole in wholes:
                if whole.name not in prices and self._names_one_price_only(whole.name):
                    key = units()[part].price_key
                    raise self._bad(
                        f"`{key}` is set, but not `{whole.price_key}`, which it is a part of",
                        f"Set `{whole.price_key}` too.",
                    )

    def _names_one_price_only(self, whole: str) -> bool:
        # Parts within input and output may lean on the list price's input and output.
        return whole not in {"input_tokens", "output_tokens"} and whole not in {
            "cache_read_tokens",
            "cache_write_tokens",
        }

    def _text(self, field: str) -> str | None:
        value = self.raw.get(field)
        if value is not None and (not isinstance(value, str) or not value.strip()):
            raise self._bad(f"`{field}` is {value!r}", f'Write it as text: {field} = "…".')
        return value

    def _count(self, field: str) -> int | None:
        value = self.raw.get(field)
        if value is not None and (type(value) is not int or value < 1):
            raise self._bad(f"`{field}` is {value!r}", f"Write a number of tokens: {field} = 8192.")
        return value

    def _price(self, key: str) -> int:
        return by_price_key()[key].atto(Fraction(self._decimal(key, self.raw[key], "0.50")))

    def _discount(self) -> Decimal | None:
        value = self.raw.get("discount")
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip().endswith("%"):
            raise self._bad(
                f"`discount` is {value!r}", 'Write it as a percentage in quotes: discount = "17%".'
            )
        percent = self._decimal("discount", value.strip().removesuffix("%").strip(), "17%")
        if percent > 100:  # noqa: PLR2004
            raise self._bad(f"`discount` is {value!r}", "It cannot exceed 100%.")
        return percent / 100

    def _decimal(self, key: str, value: object, example: str) -> Decimal:
        if isinstance(value, float):
            raise self._bad(
                f"`{key}` is a float, which cannot hold money exactly",
                f'Write it as a string: {key} = "{value}".',
            )
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise self._bad(f"`{key}` is {value!r}", f'Write it as {key} = "{example}".')
        try:
            number = Decimal(value)
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite() or number < 0:
            raise self._bad(f"`{key}` is {value!r}", f'Write it as {key} = "{example}".')
        return number

    def _moment(self, field: str) -> datetime | None:
        value = self.raw.get(field)
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                raise self._bad(f"`{field}` is {value!r}", f"Write {field} = 2026-10-01.") from None
        if value is None:
            return None
        if isinstance(value, datetime):
            return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
        if isinstance(value, date):
            return datetime.combine(value, time(), UTC)
        raise self._bad(f"`{field}` is {value!r}", f"Write {field} = 2026-10-01.")

    def _bad(self, what: str, fix: str) -> BadInput:
        return BadInput(f"{self.path}, [[prices]] entry {self.number}", what, fix)


def _glob(pattern: str, name: str) -> bool:
    return fnmatchcase(name.lower(), pattern.lower())


def _part(price: int, share: Fraction) -> int:
    exact = price * share
    return round_half_even(exact.numerator, exact.denominator)
