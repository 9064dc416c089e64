"""What the providers charge for the month: per day, model and project, from the price book."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import msgspec

from farthing.demo.company import Model
from farthing.demo.world import Attempt, World
from farthing.domain.errors import Defect
from farthing.domain.money import Money
from farthing.domain.usage import Usage
from farthing.prices.book import Book, Priced


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One day of one project with one model. `project` None: the provider's default project."""

    day: date
    model: Model
    project: str | None
    requests: int
    usage: Usage

    def tokens(self, *buckets: str) -> dict[str, int]:
        return {bucket: getattr(self.usage, bucket) for bucket in buckets}


def items(world: World, provider: str) -> list[Item]:
    """What one provider counted, by day, then project, then model."""
    tallies: dict[tuple[date, str, Model], Item] = {}
    for one in _counted(world):
        if one.model.provider == provider:
            key = (one.day, one.project or "", one.model)
            tallies[key] = _add(tallies[key], one) if key in tallies else one
    return [tallies[key] for key in sorted(tallies, key=lambda k: (k[0], k[1], k[2].asked))]


def call_price(book: Book, attempt: Attempt) -> Priced:
    return _priced(book, attempt.model, attempt.usage, attempt.day)


def unseen(world: World, book: Book) -> Money:
    """What is billed for calls that nobody logged: the known reason why the bill is higher."""
    prices = (_priced(book, one.model, one.usage, one.day) for one in world.bypasses)
    return Money.sum(price.list for price in prices)


class Rates:
    """The list price of one token in each bucket, by day.

    A bill adds up tokens before it prices them, and its day may hold more tokens than the
    context windows at which prices change; no single call of the demo does. So lines are
    counts times these rates, and not the price of one enormous call.
    """

    def __init__(self, book: Book) -> None:
        self._book = book
        self._known: dict[tuple[date, Model, str], Money] = {}

    def cost(self, item: Item, *buckets: str) -> Money:
        """What the item's tokens in these buckets cost."""
        return Money.sum(
            self.each(item, bucket) * count for bucket, count in item.tokens(*buckets).items()
        )

    def each(self, item: Item, bucket: str) -> Money:
        key = (item.day, item.model, bucket)
        if key not in self._known:
            self._known[key] = _priced(self._book, item.model, _one(bucket), item.day).list
        return self._known[key]


def _one(bucket: str) -> Usage:
    return msgspec.structs.replace(Usage(), **{bucket: 1})


def _counted(world: World) -> Iterator[Item]:
    for attempt in world.answered:
        yield Item(
            day=attempt.day,
            model=attempt.model,
            project=attempt.project,
            requests=1,
            usage=attempt.usage,
        )
    for one in world.bypasses:
        yield Item(
            day=one.day,
            model=one.model,
            project=one.project,
            requests=one.requests,
            usage=one.usage,
        )


def _add(one: Item, other: Item) -> Item:
    return msgspec.structs.replace(
        one, requests=one.requests + other.requests, usage=one.usage + other.usage
    )


def _priced(book: Book, model: Model, usage: Usage, on: date) -> Priced:
    price = book.price(model.provider, model.served, usage, on)
    if not isinstance(price, Priced):
        raise Defect(f"The demo's model {model.served} has no price on {on}: {price.reason}.")
    return price
