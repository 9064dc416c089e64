"""The price book: what a call costs, on its day, for whoever made it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from operator import attrgetter
from pathlib import Path

import msgspec

from farthing.config import FILE, Settings
from farthing.domain.money import Money, round_half_even
from farthing.domain.usage import BUCKETS, INPUT_BUCKETS, Usage
from farthing.prices import contracts as own_prices
from farthing.prices.contracts import Contract
from farthing.prices.gap import Asked, Gap
from farthing.prices.rate import Rate, rate
from farthing.prices.source import Found, Source
from farthing.prices.tariff import (
    BEFORE_FIRST_PRICE,
    CONTEXT_NOT_PRICED,
    DAY,
    Tariff,
    joined,
    split,
)
from farthing.prices.units import ATTO_PER_PICO
from farthing.registry import PRICE_SOURCES, plugins

MANY = 100_000  # callers whose contracts are remembered
NOBODY: Mapping[str, str] = {}
# Context keys that mean another price, and the values that mean the usual one.
TIERS = frozenset({"service_tier", "processing", "speed"})
STANDARD = frozenset({"standard", "default", "auto", "on_demand", "sync"})


class Priced(msgspec.Struct, frozen=True):
    """What it costs: the provider's list price, the user's contract, and what is really paid.

    `flags` say what is uncertain about it: `before_first_price`, `context_not_priced` …
    """

    list: Money
    contracted: Money
    effective: Money
    price_ids: tuple[str, ...]
    flags: tuple[str, ...] = ()


class Unpriced(msgspec.Struct, frozen=True):
    """Nobody knows what it costs; that is never 0. `reason` is a stable code."""

    reason: str


@dataclass(frozen=True, slots=True)
class Offer:
    """What one model costs in one context: list tariffs, and the contract over them, if any."""

    provider: str
    model: str
    context: Mapping[str, str]
    tariffs: tuple[Tariff, ...]
    contract: Contract | None


class Book:
    """Prices by provider, model, day and context, compiled once for each and kept."""

    def __init__(
        self,
        source: Source,
        contracts: tuple[Contract, ...] = (),
        gaps: tuple[Gap, ...] = (),
        priced_as: Mapping[str, str] = NOBODY,
    ) -> None:
        self._source = source
        self._gaps = gaps
        self._priced_as = priced_as  # the user's name of an account → whose price list holds
        self.contracts = contracts
        self._rates: dict[_Question, tuple[Rate, ...] | Unpriced] = {}
        self._compiled: dict[_Question, tuple[_Charge, ...] | Unpriced] = {}
        self._claims: dict[tuple[str | None, str | None], _Claims] = {}
        self._candidates: dict[tuple[str | None, str | None], tuple[Contract, ...]] = {}

    @classmethod
    def load(cls, workspace: Path | str) -> Book:
        """The price lists with the user's own over them; a folder without a config is fine."""
        from farthing.prices.gaps import GAPS

        settings = Settings.load(Path(workspace))
        contracts = own_prices.read(settings.prices, settings.path or Path(FILE))
        accounts = settings.providers.items()
        priced_as = {name: told.priced_as for name, told in accounts if told.priced_as}
        return cls(_price_lists(), contracts, GAPS, priced_as)

    def price(
        self,
        provider: str | None,
        model: str | None,
        usage: Usage,
        on: date | datetime,
        context: Mapping[str, str] | None = None,
        who: Mapping[str, str] | None = None,
    ) -> Priced | Unpriced:
        """Price one call. A date is its first moment in UTC; `who` has account, key, team …"""
        when = _moment(on)
        number = self._contract(provider, model, who or NOBODY, when) if self.contracts else 0
        question = (provider, model, tuple(sorted(context.items())) if context else (), number)
        charges = self._compiled.get(question)
        if charges is None:
            charges = self._compile(question)
        if isinstance(charges, Unpriced):
            return charges
        for charge in charges:
            if charge.always or charge.applies(when, usage):
                return charge.of(usage)
        return Unpriced("no_price_then")

    def rates(
        self,
        provider: str | None,
        model: str | None,
        context: Mapping[str, str] | None = None,
        contract: int = 0,
    ) -> tuple[Rate, ...]:
        """The same prices as rows, for a join. Empty: unpriced, and `why_unpriced` says why."""
        question = (provider, model, tuple(sorted(context.items())) if context else (), contract)
        answer = self._rates_of(question)
        return () if isinstance(answer, Unpriced) else answer

    def offer(
        self,
        provider: str | None,
        model: str | None,
        context: tuple[tuple[str, str], ...] = (),
        contract: int = 0,
    ) -> Offer | Unpriced:
        """The price list of one model as people read it: by nested unit, over all time."""
        if not model:
            return Unpriced("no_model")
        agreed = self.contracts[contract - 1] if contract else None
        found = self._find(provider, model)
        asked = Asked(found, model, dict(context)) if found else None
        tariffs = self._listed(asked) if asked else ()
        if agreed and agreed.prices and not any(tariff.prices for tariff in tariffs):
            tariffs = (Tariff(prices=agreed.prices, source=agreed.source),)
        elif not found:
            return Unpriced(self._stranger(provider))
        elif not any(tariff.prices for tariff in tariffs) and not _is_free(model):
            return Unpriced("no_price")
        return Offer(
            provider=found.provider if found else provider or "",
            model=found.model if found else model,
            context=self._matters(asked) if asked else {},
            tariffs=tariffs,
            contract=agreed,
        )

    def why_unpriced(self, provider: str | None, model: str | None, contract: int = 0) -> str:
        answer = self._rates_of((provider, model, (), contract))
        return answer.reason if isinstance(answer, Unpriced) else "no_price_then"

    def contracts_for(self, provider: str | None, model: str | None) -> tuple[Contract, ...]:
        """The contracts that may price this model, first match first; who and when remain."""
        names = (provider, model)
        known = self._candidates.get(names)
        if known is None:
            found = self._find(provider, model)
            providers = (provider, found.provider) if found else (provider,)
            models = tuple(name for name in (model, found and found.model) if name)
            known = tuple(c for c in self.contracts if c.covers(providers, models))
            self._candidates[names] = known
        return known

    def provider(self, name: str) -> str | None:
        """The price list's id for a provider, however a log spells it."""
        return self._source.provider(self._priced_as.get(name, name))

    def find(self, provider: str | None, model: str) -> Found | None:
        """Which model of which provider a reference means."""
        return self._find(provider, model)

    def _contract(
        self, provider: str | None, model: str | None, who: Mapping[str, str], when: datetime
    ) -> int:
        names = (provider, model)
        claims = self._claims.get(names)
        if claims is None:
            claims = self._claims[names] = _Claims(self.contracts_for(provider, model))
        return claims.first(who, when)

    def _find(self, provider: str | None, model: str | None) -> Found | None:
        whose = self._priced_as.get(provider, provider) if provider else provider
        return self._source.find(whose, model) if model else None

    def _compile(self, question: _Question) -> tuple[_Charge, ...] | Unpriced:
        rates = self._rates_of(question)
        compiled = rates if isinstance(rates, Unpriced) else tuple(_Charge(r) for r in rates)
        self._compiled[question] = compiled
        return compiled

    def _rates_of(self, question: _Question) -> tuple[Rate, ...] | Unpriced:
        known = self._rates.get(question)
        if known is None:
            known = self._rates[question] = self._answer(question)
        return known

    def _answer(self, question: _Question) -> tuple[Rate, ...] | Unpriced:
        offer = self.offer(*question)
        if isinstance(offer, Unpriced):
            return offer
        contract = offer.contract
        return tuple(
            rate(
                tariff,
                contract.of(tariff) if contract else tariff,
                (offer.provider, offer.model),
                offer.context,
                contract.number if contract else 0,
            )
            for tariff in offer.tariffs
        )

    def _listed(self, asked: Asked) -> tuple[Tariff, ...]:
        """The price list, corrected where it is known to be wrong, and flagged where it guesses."""
        tariffs = self._source.tariffs(asked.found, asked.context)
        for gap in self._gaps:
            tariffs = gap.correct(asked, tariffs)
        if self._changes_nothing_known(asked):
            tariffs = tuple(_flagged(tariff, CONTEXT_NOT_PRICED) for tariff in tariffs)
        if asked.found.released:
            released = datetime.combine(asked.found.released, time(), UTC)
            tariffs = tuple(_before(tariffs, released))
        return joined(tariffs)

    def _matters(self, asked: Asked) -> dict[str, str]:
        """The part of the context that changes this model's price."""
        keys = {*asked.found.choices, *(key for gap in self._gaps for key in gap.reads(asked))}
        return {key: value for key, value in asked.context.items() if key in keys}

    def _changes_nothing_known(self, asked: Asked) -> bool:
        """Whether a tier should change the price, and nobody publishes by how much."""
        return any(
            key in TIERS
            and value.lower() not in STANDARD
            and value not in asked.found.choices.get(key, ())
            and not any(key in gap.reads(asked) for gap in self._gaps)
            for key, value in asked.context.items()
        )

    def _stranger(self, provider: str | None) -> str:
        known = provider is None or self.provider(provider) is not None
        return "unknown_model" if known else "unknown_provider"


_Question = tuple[str | None, str | None, tuple[tuple[str, str], ...], int]
_COUNTS = attrgetter(*BUCKETS)


class _Claims:
    """The contracts over one model, and which of them hold for whom: globs are asked once."""

    __slots__ = ("contracts", "fields", "known")

    def __init__(self, contracts: tuple[Contract, ...]) -> None:
        self.contracts = contracts
        self.fields = tuple(dict.fromkeys(field for c in contracts for field in c.who))
        self.known: dict[tuple[str | None, ...], tuple[Contract, ...]] = {}

    def first(self, who: Mapping[str, str], when: datetime) -> int:
        asked = tuple([who.get(field) for field in self.fields])
        holding = self.known.get(asked)
        if holding is None:
            if len(self.known) >= MANY:
                self.known.clear()
            holding = tuple(c for c in self.contracts if c.is_for(who))
            self.known[asked] = holding
        return next((c.number for c in holding if c.holds(when)), 0)


class _Charge:
    """One Rate, unrolled for speed: a charge is a dozen multiplications of whole numbers."""

    __slots__ = (
        "always",
        "at_list",
        "contracted",
        "flags",
        "ids",
        "listed",
        "rate",
        "since",
        "sized",
        "timed",
        "until",
    )

    def __init__(self, row: Rate) -> None:
        self.rate = row
        self.listed = _Sum(row.list, row.minimums)
        self.contracted = _Sum(row.contracted, row.minimums)
        self.at_list = row.list == row.contracted
        self.ids, self.flags = (row.price_id,), row.flags
        self.since, self.until = row.since, row.until
        self.timed = row.from_minute is not None or row.weekdays is not None
        self.sized = row.above is not None or row.upto is not None
        dated = row.since is not None or row.until is not None
        self.always = not (dated or self.timed or self.sized)

    def applies(self, when: datetime, usage: Usage) -> bool:
        since, until = self.since, self.until
        if (since is not None and when < since) or (until is not None and when >= until):
            return False
        return (not self.timed or self._in_hours(when)) and (not self.sized or self._fits(usage))

    def of(self, usage: Usage) -> Priced:
        listed = self.listed.of(usage)
        contracted = listed if self.at_list else self.contracted.of(usage)
        return Priced(listed, contracted, contracted, self.ids, self.flags)

    def _in_hours(self, when: datetime) -> bool:
        row = self.rate
        minute = when.hour * 60 + when.minute
        if not (row.from_minute or 0) <= minute < (row.to_minute or DAY):
            return False
        return row.weekdays is None or when.isoweekday() in row.weekdays

    def _fits(self, usage: Usage) -> bool:
        above, upto = self.rate.above, self.rate.upto
        total = usage.input_tokens
        if usage.suspect:
            total = sum(max(getattr(usage, bucket), 0) for bucket in INPUT_BUCKETS)
        return (above is None or total > above) and (upto is None or total <= upto)


class _Sum:
    """The rule that `Rate` states, for one set of rates."""

    __slots__ = ("details", "fixed", "minimums", "per_bucket")

    def __init__(self, rates: Mapping[str, int], minimums: Mapping[str, int]) -> None:
        self.per_bucket = tuple(rates.get(bucket, 0) for bucket in BUCKETS)
        self.fixed = rates.get("requests", 0)
        self.details = {u: r for u, r in rates.items() if u not in (*BUCKETS, "requests")}
        self.minimums = minimums

    def of(self, usage: Usage) -> Money:
        fresh, read, short, long, visible, reasoning = _COUNTS(usage)
        a, b, c, d, e, f = self.per_bucket
        if min(fresh, read, short, long, visible, reasoning) < 0:
            counts = (max(count, 0) for count in (fresh, read, short, long, visible, reasoning))
            fresh, read, short, long, visible, reasoning = counts
        total = (
            fresh * a + read * b + short * c + long * d + visible * e + reasoning * f + self.fixed
        )
        if usage.details and self.details:
            total += self._details(usage.details)
        return Money(round_half_even(total, ATTO_PER_PICO) if total > 0 else 0)

    def _details(self, counted: Mapping[str, int]) -> int:
        total = 0
        for unit, count in counted.items():
            each = self.details.get(unit, 0)
            if each and count > 0:
                total += max(count, self.minimums.get(unit, 0)) * each
        return total


def _price_lists() -> Source:
    """What other packages bring comes before what is shipped: it was installed on purpose."""
    from farthing.prices.chain import Chain
    from farthing.prices.sources.genai_prices import SOURCE

    brought = tuple(source for source in plugins(PRICE_SOURCES) if source is not SOURCE)
    return Chain((*brought, SOURCE)) if brought else SOURCE


def _moment(on: date | datetime) -> datetime:
    if isinstance(on, datetime):
        return on.astimezone(UTC) if on.tzinfo else on.replace(tzinfo=UTC)
    return datetime.combine(on, time(), UTC)


def _before(tariffs: Iterable[Tariff], released: datetime) -> Iterator[Tariff]:
    """Flag what is charged before the model can have existed: the first price, a guess."""
    for tariff in split(tariffs, released):
        early = tariff.until is not None and tariff.until <= released
        yield _flagged(tariff, BEFORE_FIRST_PRICE) if early else tariff


def _flagged(tariff: Tariff, flag: str) -> Tariff:
    return msgspec.structs.replace(tariff, flags=tuple(sorted({*tariff.flags, flag})))


def _is_free(model: str) -> bool:
    return model.lower().endswith(":free")
