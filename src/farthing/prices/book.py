"""The price book: what a call costs, on its day, for whoever made it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path

from farthing.config import FILE, Settings
from farthing.domain.usage import Usage
from farthing.prices import contracts as own_prices
from farthing.prices.bound import Bound
from farthing.prices.ceilings import Ceilings
from farthing.prices.charge import Charge, Priced
from farthing.prices.claims import Claims
from farthing.prices.contracts import Contract
from farthing.prices.gap import Gap
from farthing.prices.offers import Offer, Offers, Unpriced
from farthing.prices.rate import Rate, rate
from farthing.prices.source import Found, Source
from farthing.registry import PRICE_SOURCES, plugins

__all__ = ("Book", "Offer", "Priced", "Unpriced")

MANY = 100_000  # models and contexts that are remembered: names come from outside
NOBODY: Mapping[str, str] = {}
# Provider, model, context and the number of the contract, 0 for none.
Question = tuple[str | None, str | None, tuple[tuple[str, str], ...], int]


class Book:
    """Prices by provider, model, day and context, compiled once for each and kept."""

    def __init__(
        self,
        source: Source,
        contracts: tuple[Contract, ...] = (),
        gaps: tuple[Gap, ...] = (),
        priced_as: Mapping[str, str] = NOBODY,
        *,
        remembers: int = MANY,
    ) -> None:
        self._remembers = remembers
        self._offers = Offers(source, gaps, priced_as)
        self.contracts = contracts
        self._rates: dict[Question, tuple[Rate, ...] | Unpriced] = {}
        self._compiled: dict[Question, tuple[Charge, ...] | Unpriced] = {}
        self._claims: dict[tuple[str | None, str | None], Claims] = {}
        self._candidates: dict[tuple[str | None, str | None], tuple[Contract, ...]] = {}
        self._ceilings = Ceilings(self)

    @classmethod
    def load(
        cls,
        workspace: Path | str,
        contracts_in: Path | None = None,
        *,
        shipped: Source | None = None,
        remembers: int = MANY,
    ) -> Book:
        """The price lists with the user's own over them; a folder without a config is fine.

        `contracts_in` is a file whose [[prices]] stand in for those of the workspace, `shipped`
        what stands in for the price list that is shipped.
        """
        from farthing.prices.gaps import GAPS

        settings = Settings.load(Path(workspace))
        agreed = Settings.read(contracts_in) if contracts_in else settings
        contracts = own_prices.read(agreed.prices, agreed.path or Path(FILE))
        accounts = settings.providers.items()
        priced_as = {name: told.priced_as for name, told in accounts if told.priced_as}
        return cls(_price_lists(shipped), contracts, GAPS, priced_as, remembers=remembers)

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
            charges = self.charges(question)
        if isinstance(charges, Unpriced):
            return charges
        for charge in charges:
            if charge.always or charge.applies(when, usage):
                return charge.of(usage)
        return Unpriced("no_price_then")

    def bound(
        self,
        provider: str | None,
        model: str | None,
        on: date | datetime,
        who: Mapping[str, str] | None = None,
        service_tier: str | None = None,
        told: Mapping[str, str] = NOBODY,
    ) -> Bound | Unpriced:
        """What no live call that begins now costs more than; see `bound.worst_case`.

        `service_tier` is as the request has it; None or "auto": any that its account may apply.
        `told` has other context keys that the request settles, such as `inference_geo`; those
        that it does not name may be anything, but a `speed` that is not told is the usual one.
        Batches are not live calls.
        """
        return self._ceilings.of(provider, model, _moment(on), who or NOBODY, service_tier, told)

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

    def rate(self, price_id: str) -> Rate | None:
        """The rate behind a price that this book gave; slow, so once for each is enough."""
        charged = (each for each in self._compiled.values() if not isinstance(each, Unpriced))
        rates = (charge.rate for charges in charged for charge in charges)
        return next((rate for rate in rates if rate.price_id == price_id), None)

    def offer(
        self,
        provider: str | None,
        model: str | None,
        context: tuple[tuple[str, str], ...] = (),
        contract: int = 0,
    ) -> Offer | Unpriced:
        """The price list of one model as people read it: by nested unit, over all time."""
        agreed = self.contracts[contract - 1] if contract else None
        return self._offers.of(provider, model, dict(context), agreed)

    def why_unpriced(self, provider: str | None, model: str | None, contract: int = 0) -> str:
        answer = self._rates_of((provider, model, (), contract))
        return answer.reason if isinstance(answer, Unpriced) else "no_price_then"

    def choices(self, provider: str | None, model: str | None) -> Mapping[str, frozenset[str]]:
        """The context keys that change a model's price, with the values that do."""
        return self._offers.choices(provider, model)

    def charges(self, question: Question) -> tuple[Charge, ...] | Unpriced:
        """All that may price a model in one context under one contract, ready to charge."""
        known = self._compiled.get(question)
        if known is None:
            rates = self._rates_of(question)
            if len(self._compiled) >= self._remembers:
                self._compiled.clear()
            known = rates if isinstance(rates, Unpriced) else tuple(Charge(r) for r in rates)
            self._compiled[question] = known
        return known

    def forget(self, provider: str | None, model: str | None) -> None:
        """Ask the price list again for one model: it has learned something."""
        names = (provider, model)
        for questions in (self._rates, self._compiled):
            for question in [each for each in questions if each[:2] == names]:
                del questions[question]
        self._claims.pop(names, None)
        self._candidates.pop(names, None)
        self._ceilings.forget(provider, model)

    def contracts_for(self, provider: str | None, model: str | None) -> tuple[Contract, ...]:
        """The contracts that may price this model, first match first; who and when remain."""
        return tuple(c for c in self._covering(provider, model) if c.is_price)

    def _covering(self, provider: str | None, model: str | None) -> tuple[Contract, ...]:
        names = (provider, model)
        known = self._candidates.get(names)
        if known is None:
            if len(self._candidates) >= self._remembers:
                self._candidates.clear()
            found = self._offers.find(provider, model)
            providers = (provider, found.provider) if found else (provider,)
            models = tuple(name for name in (model, found and found.model) if name)
            known = tuple(c for c in self.contracts if c.covers(providers, models))
            self._candidates[names] = known
        return known

    def agreed(
        self, provider: str | None, model: str | None, who: Mapping[str, str]
    ) -> tuple[Contract, ...]:
        """All [[prices]] entries that are meant for this model and caller, first match first."""
        return self._claims_of(provider, model).holding(who) if self.contracts else ()

    def listed_as(self, provider: str | None) -> str | None:
        """The name that price lists are asked by, for the user's own name of an account."""
        return self._offers.listed_as(provider)

    def provider(self, name: str) -> str | None:
        """The price list's id for a provider, however a log spells it."""
        return self._offers.provider(name)

    def find(self, provider: str | None, model: str) -> Found | None:
        """Which model of which provider a reference means."""
        return self._offers.find(provider, model)

    def _contract(
        self, provider: str | None, model: str | None, who: Mapping[str, str], when: datetime
    ) -> int:
        return self._claims_of(provider, model).first(who, when)

    def _claims_of(self, provider: str | None, model: str | None) -> Claims:
        names = (provider, model)
        claims = self._claims.get(names)
        if claims is None:
            if len(self._claims) >= self._remembers:
                self._claims.clear()
            claims = self._claims[names] = Claims(self._covering(provider, model))
        return claims

    def _rates_of(self, question: Question) -> tuple[Rate, ...] | Unpriced:
        known = self._rates.get(question)
        if known is None:
            if len(self._rates) >= self._remembers:
                self._rates.clear()
            known = self._rates[question] = self._answer(question)
        return known

    def _answer(self, question: Question) -> tuple[Rate, ...] | Unpriced:
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


def _price_lists(shipped: Source | None) -> Source:
    """What other packages bring comes before what is shipped: it was installed on purpose."""
    from farthing.prices.chain import Chain
    from farthing.prices.sources.genai_prices import SOURCE

    last = shipped or SOURCE
    brought = tuple(source for source in plugins(PRICE_SOURCES) if source is not SOURCE)
    return Chain((*brought, last)) if brought else last


def _moment(on: date | datetime) -> datetime:
    if isinstance(on, datetime):
        return on.astimezone(UTC) if on.tzinfo else on.replace(tzinfo=UTC)
    return datetime.combine(on, time(), UTC)
