"""What changed between two price lists of the same model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TypeVar

import msgspec

from farthing.prices.book import Book
from farthing.prices.rate import Rate

Edge = TypeVar("Edge", int, datetime)
Question = tuple[str | None, str | None, tuple[tuple[str, str], ...]]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One rate that is not what it was, in attodollars; None: not priced then.

    It holds where both price lists have a row: between `since` and `until`, in these hours, for
    inputs of this size. Units are those of `Rate`.
    """

    provider: str
    model: str
    context: Mapping[str, str]
    unit: str
    was: int | None
    now: int | None
    since: datetime | None
    until: datetime | None
    from_minute: int | None
    to_minute: int | None
    weekdays: tuple[int, ...] | None
    above: int | None
    upto: int | None


class Answer(msgspec.Struct, frozen=True):
    """One question put to a book and what it said; a snapshot is a list of them."""

    provider: str | None
    model: str | None
    context: tuple[tuple[str, str], ...]
    rates: tuple[Rate, ...]


def snapshot(book: Book, questions: Iterable[Question]) -> bytes:
    """What a book says today, to compare another day's with; JSON."""
    answers = [Answer(*question, book.rates(*_spread(question))) for question in questions]
    return msgspec.json.encode(answers)


def restored(text: bytes) -> dict[Question, tuple[Rate, ...]]:
    """The rates of a snapshot, by question."""
    answers = msgspec.json.decode(text, type=list[Answer])
    return {(a.provider, a.model, a.context): a.rates for a in answers}


def drift(before: Mapping[Question, tuple[Rate, ...]], book: Book) -> tuple[Change, ...]:
    """Everything that a book now says otherwise than a snapshot."""
    return tuple(
        change
        for question, rates in before.items()
        for change in changes(rates, book.rates(*_spread(question)))
    )


def changes(old: tuple[Rate, ...], new: tuple[Rate, ...]) -> tuple[Change, ...]:
    """Where two price lists of one model overlap and differ; or one has nothing to say."""
    if not new:
        return tuple(change for rate in old for change in _differing(rate, rate, now={}))
    if not old:
        return tuple(change for rate in new for change in _differing(rate, rate, was={}))
    return tuple(
        change
        for one in old
        for other in new
        if _meet(one, other)
        for change in _differing(one, other)
    )


def _differing(
    one: Rate,
    other: Rate,
    *,
    was: Mapping[str, int] | None = None,
    now: Mapping[str, int] | None = None,
) -> list[Change]:
    was = one.contracted if was is None else was
    now = other.contracted if now is None else now
    return [
        Change(
            provider=other.provider,
            model=other.model,
            context=other.context,
            unit=unit,
            was=was.get(unit),
            now=now.get(unit),
            since=_last(one.since, other.since),
            until=_first(one.until, other.until),
            from_minute=_last(one.from_minute, other.from_minute),
            to_minute=_first(one.to_minute, other.to_minute),
            weekdays=_shared(one, other),
            above=_last(one.above, other.above),
            upto=_first(one.upto, other.upto),
        )
        for unit in dict.fromkeys((*was, *now))
        if was.get(unit) != now.get(unit)
    ]


def _meet(one: Rate, other: Rate) -> bool:
    bounds = (("since", "until"), ("from_minute", "to_minute"), ("above", "upto"))
    for low, high in bounds:
        start = _last(getattr(one, low), getattr(other, low))
        end = _first(getattr(one, high), getattr(other, high))
        if start is not None and end is not None and start >= end:
            return False
    return _shared(one, other) != ()


def _shared(one: Rate, other: Rate) -> tuple[int, ...] | None:
    if one.weekdays is None or other.weekdays is None:
        return one.weekdays or other.weekdays
    return tuple(day for day in one.weekdays if day in other.weekdays)


def _last(one: Edge | None, other: Edge | None) -> Edge | None:
    return max((edge for edge in (one, other) if edge is not None), default=None)


def _first(one: Edge | None, other: Edge | None) -> Edge | None:
    return min((edge for edge in (one, other) if edge is not None), default=None)


def _spread(question: Question) -> tuple[str | None, str | None, dict[str, str]]:
    return question[0], question[1], dict(question[2])
