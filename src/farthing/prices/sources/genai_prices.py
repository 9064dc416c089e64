"""List prices from genai-prices: reviewed, dated, offline."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

from farthing.prices.names import NO_PROVIDER, provider_of, spellings
from farthing.prices.source import Found
from farthing.prices.tariff import CONTEXT_NOT_PRICED, DAY, Tariff
from farthing.prices.units import by_price_key

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, Provider, TieredPrices

# Groq bills short audio as ten seconds: https://groq.com/pricing
_GROQ_LEAST_SECONDS = {"audio_seconds": 10, "input_audio_seconds": 10}
_GROQ_WHISPER = {"whisper-large-v3", "whisper-large-v3-turbo"}
_DATE_IN_NAME = re.compile(r"(20\d{2})-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])(?!\d)")
_ANY_DAY = date(2000, 1, 1)


class GenaiPrices:
    name: ClassVar[str] = "genai-prices"

    def find(self, provider: str | None, model: str) -> Found | None:
        asked = None if provider is None or provider.lower() in NO_PROVIDER else provider
        ours = self.provider(asked) if asked is not None else None
        if asked is not None and ours is None:
            return None
        for where, ref in spellings(ours, model):
            seller = _providers()[where] if where in _providers() else _seller(ref.lower())
            if seller and (info := seller.find_model(ref, all_providers=_all())):
                return _found(seller, info, model)
        return None

    def provider(self, name: str) -> str | None:
        from genai_prices.data_snapshot import find_provider_by_id

        ours = provider_of(name)
        if ours in _providers():
            return ours
        match = find_provider_by_id(_all(), ours)
        return match.id if match else None

    def tariffs(self, found: Found, context: Mapping[str, str]) -> tuple[Tariff, ...]:
        info, asked = _info(found.owner, found.model), _context(found, context)
        least = _GROQ_LEAST_SECONDS if _least_ten_seconds(found) else {}
        return tuple(
            Tariff(
                prices=prices,
                source=self.version(),
                since=_midnight(since),
                until=_midnight(until),
                from_minute=None if (first, last) == (0, DAY) else first,
                to_minute=None if (first, last) == (0, DAY) else last,
                above=above,
                upto=upto,
                minimums=least,
                flags=() if _knows(info, asked, moment) else (CONTEXT_NOT_PRICED,),
            )
            for since, until in _spans(_days(info))
            for first, last in pairwise(_minutes(info))
            for moment in [_moment(since, until, first)]
            for above, upto, prices in _sizes(info.get_prices(moment, asked))
        )

    def models(self) -> Iterator[Found]:
        return (_found(seller, info, info.id) for seller in _all() for info in seller.models)

    @staticmethod
    @cache
    def version() -> str:
        from importlib.metadata import version

        return f"genai-prices {version('genai-prices')}"


SOURCE = GenaiPrices()


@cache
def _providers() -> Mapping[str | None, Provider]:
    from genai_prices.data import providers

    return {provider.id: provider for provider in providers}


def _all() -> list[Provider]:
    return list(_providers().values())


@cache
def _info(owner: str, model: str) -> ModelInfo:
    return next(info for info in _providers()[owner].models if info.id == model)


def _seller(ref: str) -> Provider | None:
    """Whose model this is, from its name alone: the first that claims it and also prices it."""
    for provider in _all():
        claims = provider.model_match is not None and provider.model_match.is_match(ref)
        if claims and provider.find_model(ref):
            return provider
    return None


def _found(seller: Provider, info: ModelInfo, ref: str) -> Found:
    own = any(info is model for model in seller.models)
    owner = seller.id if own else _owner(info)
    choices: dict[str, set[str]] = {}
    for variant in (info.price_variants or ()) if own else ():
        for key, value in variant.when.items():
            choices.setdefault(key, set()).add(value)
    return Found(
        provider=seller.id,
        owner=owner,
        model=info.id,
        released=_date_in(ref) or _date_in(info.id),
        choices={key: frozenset(values) for key, values in choices.items()},
        context_window=info.context_window,
    )


def _owner(info: ModelInfo) -> str:
    return next(p.id for p in _all() if any(info is model for model in p.models))


def _date_in(name: str) -> date | None:
    """The day a dated model name was released: `gpt-4o-2024-08-06`, `claude-…-20250929`."""
    dated = _DATE_IN_NAME.search(name)
    try:
        return dated and date(int(dated[1]), int(dated[2]), int(dated[3]))
    except ValueError:
        return None


def _context(found: Found, context: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in context.items() if key in found.choices}


def _knows(info: ModelInfo, asked: Mapping[str, str], moment: datetime) -> bool:
    """Whether every part of a context had a rate then: a batch rate may be known since later."""
    active = [
        variant.when
        for variant in info.price_variants or ()
        if variant.constraint is None or variant.constraint.active(moment)
    ]
    priced_some_day = [variant.when for variant in info.price_variants or ()]
    return all(
        any(when.get(key) == value for when in active)
        or not any(when.get(key) == value for when in priced_some_day)
        for key, value in asked.items()
    )


def _least_ten_seconds(found: Found) -> bool:
    return found.provider == "groq" and found.model in _GROQ_WHISPER


def _constraints(info: ModelInfo) -> Iterator[object]:
    if isinstance(info.prices, list):
        yield from (price.constraint for price in info.prices)
    yield from (variant.constraint for variant in info.price_variants or ())


def _days(info: ModelInfo) -> list[date]:
    from genai_prices.types import StartDateConstraint

    starts = {c.start_date for c in _constraints(info) if isinstance(c, StartDateConstraint)}
    return sorted(starts)


def _midnight(day: date | None) -> datetime | None:
    return datetime.combine(day, time(), UTC) if day else None


def _spans(days: list[date]) -> Iterator[tuple[date | None, date | None]]:
    edges: list[date | None] = [None, *days, None]
    return pairwise(edges)


def _minutes(info: ModelInfo) -> list[int]:
    """Every minute of the UTC day at which a price may change, with midnight at both ends."""
    from genai_prices.types import TimeOfDateConstraint

    hours = (c for c in _constraints(info) if isinstance(c, TimeOfDateConstraint))
    return sorted({0, DAY, *(_minute(at) for c in hours for at in (c.start_time, c.end_time))})


def _minute(at: time) -> int:
    utc = datetime.combine(_ANY_DAY, at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    return utc.hour * 60 + utc.minute


def _moment(since: date | None, until: date | None, minute: int) -> datetime:
    """Some moment inside a span, to ask the price list about."""
    day = since or (until - timedelta(days=1) if until else _ANY_DAY)
    return datetime.combine(day, time(), UTC) + timedelta(minutes=minute)


def _sizes(
    price: ModelPrice,
) -> Iterator[tuple[int | None, int | None, dict[str, int]]]:
    """One price list for each range of input size. Tiers are cliffs: all tokens pay them."""
    from genai_prices.types import TieredPrices

    stated = {by_price_key()[key]: value for key, value in vars(price).items() if value is not None}
    tiered = [value for value in stated.values() if isinstance(value, TieredPrices)]
    starts = sorted({tier.start for value in tiered for tier in value.tiers})
    edges: list[int | None] = [None, *starts, None]
    for above, upto in pairwise(edges):
        yield (
            above,
            upto,
            {unit.name: unit.atto(_at(value, above)) for unit, value in stated.items()},
        )


def _at(price: Decimal | TieredPrices, above: int | None) -> Fraction:
    if isinstance(price, Decimal):
        return Fraction(price)
    reached = [tier for tier in price.tiers if above is not None and tier.start <= above]
    return Fraction(reached[-1].price if reached else price.base)
