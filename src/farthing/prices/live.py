"""The price book of a process that must stay small: it learns the models that it meets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from math import inf
from pathlib import Path

from farthing.prices import store
from farthing.prices.book import Book
from farthing.prices.inquiry import Inquiry
from farthing.prices.shelf import NAMES, Shelf, Told

ASK_AGAIN_SECONDS = 600.0  # for a name that no price list knew
RETRY_SECONDS = 5.0  # after the clerk gave no answer
SAVE_AFTER_SECONDS = 1.0
LONGEST_NAME = 500  # characters; whatever is longer is no model's name
REMEMBERED = 2_000  # models and contexts that are kept ready to charge

_Name = tuple[str | None, str]


class LivePrices:
    """`book` prices what is known, and calls everything else unpriced. It never waits.

    A gateway asks `knows` for each call and awaits `learn` where it says no. Models of price
    sources that other rooms or packages bring are known at once.
    """

    def __init__(
        self,
        book: Book,
        shelf: Shelf,
        inquiry: Inquiry,
        file: Path | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.book = book
        self._shelf, self._inquiry, self._file, self._now = shelf, inquiry, file, now
        self._known: dict[_Name, float] = {}  # until when
        self._asking: dict[_Name, asyncio.Task[bool]] = {}
        self._not_before: dict[_Name, float] = {}
        self._saving: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    @classmethod
    def open(cls, workspace: Path) -> LivePrices:
        """With what an earlier process learned; quick, and without reading a price list."""
        shelf, file = Shelf(), workspace / store.FILE
        for told in store.read(file):
            shelf.put(told)
        book = Book.load(workspace, shipped=shelf, remembers=REMEMBERED)
        return cls(book, shelf, Inquiry(), file)

    def knows(self, provider: str | None, model: str) -> bool:
        """Whether the book's answer, be it unpriced, is all that there is to say."""
        until = self._known.get((provider, model))
        if until is None:
            return self._is_found(provider, model)
        return until is inf or until > self._now()

    async def learn(self, provider: str | None, model: str) -> bool:
        """Ask for a model's prices once, however many wait for them. False: try again later."""
        name = (provider, model)
        if self.knows(provider, model):
            return True
        if len(model) > LONGEST_NAME:
            return True
        if self._not_before.get(name, 0.0) > self._now():
            return False
        asking = self._asking.get(name)
        if asking is None:
            asking = self._asking[name] = asyncio.create_task(self._ask(name))
            asking.add_done_callback(lambda _: self._asking.pop(name, None))
        # Shielded: a caller that hangs up must not take the answer from the others.
        return await asyncio.shield(asking)

    async def preload(self, names: Iterable[_Name]) -> None:
        """Learn what is configured before the first call asks for it."""
        for provider, model in names:
            await self.learn(provider, model)

    async def close(self) -> None:
        for asking in tuple(self._asking.values()):
            asking.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)
        self._closing.set()
        if self._saving is not None:
            await self._saving
        await self._inquiry.close()

    async def _ask(self, name: _Name) -> bool:
        provider, model = name
        told = await self._inquiry.ask(self.book.listed_as(provider), model)
        if told is None:
            _bounded(self._not_before)[name] = self._now() + RETRY_SECONDS
            return False
        self._put(told)
        self.book.forget(provider, model)
        _bounded(self._known)[name] = inf if told.found else self._now() + ASK_AGAIN_SECONDS
        if told.found and self._file is not None:
            self._save(self._file)
        return True

    def _is_found(self, provider: str | None, model: str) -> bool:
        if self.book.find(provider, model) is None:
            return False
        _bounded(self._known)[provider, model] = inf
        return True

    def _put(self, told: Told) -> None:
        gone = self._shelf.put(told)
        if gone:
            for name in [each for each in self._known if each[1] == gone[1]]:
                del self._known[name]

    def _save(self, file: Path) -> None:
        """Soon, once for all that is learned until then, and not on the loop's time."""
        if self._saving is None or self._saving.done():
            self._saving = asyncio.create_task(self._save_soon(file))

    async def _save_soon(self, file: Path) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), SAVE_AFTER_SECONDS)
        await asyncio.to_thread(store.write, file, tuple(self._shelf.known()))


def _bounded(names: dict[_Name, float]) -> dict[_Name, float]:
    if len(names) >= NAMES:
        del names[next(iter(names))]
    return names
