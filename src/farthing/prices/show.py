"""One model's price list as rows that people and scripts read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal

import msgspec

from farthing.domain.errors import Refused
from farthing.prices.book import Book, Offer, Unpriced
from farthing.prices.catalogue import Catalogue
from farthing.prices.tariff import CONTEXT_NOT_PRICED, Tariff
from farthing.prices.units import ATTO_PER_USD

_EXACT = Context(prec=60)
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class Shown(msgspec.Struct, frozen=True, rename={"since": "from"}):
    """One price. `context` says when else it applies: tier, hours (UTC), input size, contract.

    `unit` is genai-prices' name, where the most specific wins: `cache_read_tokens` are part of
    `input_tokens` and cost their own price instead. Every unit is per million, searches too.
    """

    unit: str
    usd_per_million: str
    since: str | None
    until: str | None
    source: str
    context: dict[str, str] | None


def listing(
    book: Book,
    catalogue: Catalogue,
    model: str,
    provider: str | None = None,
    on: date | None = None,
) -> list[Shown]:
    """Every price of a model or a machine, or those of one day. Refused where none is known."""
    offers = list(_offers(book, provider, model))
    usual = offers[0].tariffs if offers and not offers[0].contract else ()
    rows = [row for offer in offers for row in _prices(offer, usual, on)]
    rows += _machines(catalogue, provider, model, on)
    if not rows:
        raise Refused(_nothing(book, provider, model, on))
    return rows


def _offers(book: Book, provider: str | None, model: str) -> Iterator[Offer]:
    """At list, in each context that has a price of its own, and under each contract."""
    plain = book.offer(provider, model)
    if not isinstance(plain, Unpriced):
        yield plain
    found = book.find(provider, model)
    for key, values in sorted(found.choices.items()) if found else ():
        for value in sorted(values):
            offer = book.offer(provider, model, ((key, value),))
            if isinstance(offer, Offer):
                yield offer
    for contract in book.contracts_for(provider, model):
        offer = book.offer(provider, model, (), contract.number)
        if isinstance(offer, Offer):
            yield offer


def _prices(offer: Offer, usual: tuple[Tariff, ...], on: date | None) -> Iterator[Shown]:
    for listed in offer.tariffs:
        if offer.context and CONTEXT_NOT_PRICED in listed.flags:
            continue  # the usual price, shown already
        tariff = offer.contract.of(listed) if offer.contract else listed
        since = _later(tariff.since, offer.contract.since if offer.contract else None)
        until = _earlier(tariff.until, offer.contract.until if offer.contract else None)
        if not _covers(since, until, on) or (since and until and since >= until):
            continue
        for unit, price in tariff.prices.items():
            if offer.context and any(_says(other, tariff, unit, price) for other in usual):
                continue
            yield Shown(
                unit,
                usd_per_million(price),
                _day(since),
                _day(until),
                tariff.source,
                _conditions(offer, tariff) or None,
            )


def _says(usual: Tariff, tariff: Tariff, unit: str, price: int) -> bool:
    """Whether the usual price list says the same of a unit whenever this tariff holds."""
    same = (usual.from_minute, usual.to_minute, usual.weekdays, usual.above, usual.upto) == (
        tariff.from_minute,
        tariff.to_minute,
        tariff.weekdays,
        tariff.above,
        tariff.upto,
    )
    begins = usual.since is None or (tariff.since is not None and usual.since <= tariff.since)
    ends = usual.until is None or (tariff.until is not None and usual.until >= tariff.until)
    return same and begins and ends and usual.prices.get(unit) == price


def usd_per_million(atto: int) -> str:
    exact = Decimal(atto * 10**6).scaleb(-(len(str(ATTO_PER_USD)) - 1), _EXACT)
    return f"{exact.normalize(_EXACT):f}"


def _conditions(offer: Offer, tariff: Tariff) -> dict[str, str]:
    told = dict(offer.context)
    if offer.contract:
        told |= {"contract": str(offer.contract.number), **offer.contract.who}
    if tariff.from_minute is not None and tariff.to_minute is not None:
        told["hours_utc"] = f"{_clock(tariff.from_minute)}-{_clock(tariff.to_minute)}"
    if tariff.weekdays is not None:
        told["weekdays"] = ",".join(_WEEKDAYS[day - 1] for day in tariff.weekdays)
    if tariff.above is not None:
        told["input_tokens_above"] = str(tariff.above)
    if tariff.upto is not None:
        told["input_tokens_upto"] = str(tariff.upto)
    if tariff.flags:
        told["flags"] = ",".join(tariff.flags)
    return told


def _machines(
    catalogue: Catalogue, provider: str | None, name: str, on: date | None
) -> Iterator[Shown]:
    for row in catalogue.named(name, provider, on):
        where: Mapping[str, str | None] = {
            "provider": row.provider,
            "region": row.region,
            "instance": row.instance,
            "accelerator": row.accelerator,
            "count": str(row.count) if row.count else None,
        }
        told = {key: value for key, value in where.items() if value}
        for term, price in row.prices.items():
            each = (price * 10**6).normalize(_EXACT)
            unit = f"{row.unit} {term}"
            yield Shown(unit, f"{each:f}", row.since.isoformat(), None, row.source, told)


def _covers(since: datetime | None, until: datetime | None, on: date | None) -> bool:
    """Whether a price holds at some time of a day."""
    if on is None:
        return True
    start = datetime.combine(on, time(), UTC)
    return (since is None or since < start + timedelta(days=1)) and (until is None or until > start)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((edge for edge in (one, other) if edge), default=None)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((edge for edge in (one, other) if edge), default=None)


def _day(moment: datetime | None) -> str | None:
    """A date, or a moment where it is not midnight."""
    if moment is None:
        return None
    return moment.date().isoformat() if moment.time() == time() else moment.isoformat()


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _nothing(book: Book, provider: str | None, model: str, on: date | None) -> str:
    whose = f" of {provider}" if provider else ""
    reason = book.why_unpriced(provider, model)
    if reason == "unknown_provider":
        return f"No provider is called {provider!r}. Leave --provider out, or price it yourself."
    if reason == "no_price_then" and on:
        return f"No price of {model!r}{whose} holds on {on}. Leave --on out to see all dates."
    return (
        f"No price is known for {model!r}{whose}. "
        "Check the spelling, or give it one under [[prices]] in farthing.toml."
    )
