"""Write intents and settlements; while the disk takes none, keep what came until it does."""

from __future__ import annotations

import logging
from collections import deque
from typing import Protocol

from farthing.domain.errors import Unavailable
from farthing.ledger.journal import Attempt

_log = logging.getLogger(__name__)

MOST_KEPT = 100_000  # settlements in memory; about 100 MB
MOST_REFUSALS = 10_000  # a storm of refusals must not take the place of what was spent


class Lines(Protocol):
    """The journal, as far as a call needs it."""

    def intend(self, attempt: Attempt, line: bytes) -> None: ...

    def book(self, attempt: Attempt, line: bytes) -> None: ...


class Bookkeeper:
    """Between the calls and the journal."""

    def __init__(self, journal: Lines) -> None:
        self._journal = journal
        self._kept: deque[tuple[Attempt, bytes]] = deque()
        self._told: set[str] = set()
        self.new_rates: list[str] = []  # ids that were not handed on yet
        self.trouble: str | None = None  # why nothing can be written, while that is so

    @property
    def waiting(self) -> int:
        """How many settlements are in memory only."""
        return len(self._kept)

    def intend(self, attempt: Attempt, line: bytes) -> None:
        """Raises Unavailable: nothing may be sent that a hard budget would have to answer for."""
        if self._kept:
            self._catch_up()
        try:
            self._journal.intend(attempt, line)
        except Unavailable as error:
            self._in_trouble(error)
            raise
        self.trouble = None

    def book(self, attempt: Attempt, line: bytes, *, refused: bool = False) -> None:
        """Never raises for the disk: what was spent is kept, and written once there is room."""
        if refused and len(self._kept) >= MOST_REFUSALS:
            return
        if self._kept:
            self._kept.append((attempt, line))
            self._catch_up()
            return
        try:
            self._journal.book(attempt, line)
        except Unavailable as error:
            self._in_trouble(error)
            self._kept.append((attempt, line))

    def _in_trouble(self, error: Unavailable) -> None:
        """Told once in the log, which may name our files, and in general words to everybody."""
        if self.trouble is None:
            _log.error("%s", error)
        self.trouble = "the journal cannot be written"

    def catch_up(self) -> None:
        """Try again to write what is only in memory."""
        if self._kept:
            self._catch_up()

    def _catch_up(self) -> None:
        while self._kept:
            try:
                self._journal.book(*self._kept[0])
            except Unavailable as error:
                self._in_trouble(error)
                return
            self._kept.popleft()
        self.trouble = None

    def used(self, price_ids: tuple[str, ...]) -> None:
        """Remember which rates were charged; the price table gets those that it lacks."""
        for price_id in price_ids:
            if price_id not in self._told:
                self._told.add(price_id)
                self.new_rates.append(price_id)

    @property
    def full(self) -> bool:
        """Whether no more can be kept: new calls are refused."""
        return len(self._kept) >= MOST_KEPT
