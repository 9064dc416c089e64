"""What is in force at this moment, and the world around a call: clock, prices, journal, sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from farthing.config import Rule
from farthing.domain.where import All
from farthing.gateway.answers import Answers
from farthing.gateway.counters import Counters
from farthing.gateway.hosts import Hosts
from farthing.gateway.ids import Ids

if TYPE_CHECKING:
    from farthing.access.keyring import Keyring
    from farthing.budgets.holds import Holds
    from farthing.gateway.bookkeeper import Bookkeeper
    from farthing.gateway.knobs import Knobs
    from farthing.gateway.upstreams import Upstreams
    from farthing.prices.book import Book
    from farthing.providers.transport.wire import Transport


class Prices(Protocol):
    """Prices that may have to be learned first: which models there are, callers say, not we."""

    book: Book

    def knows(self, provider: str | None, model: str) -> bool: ...

    async def learn(self, provider: str | None, model: str) -> bool: ...


class Live:
    """One for a gateway. What configuration changes is swapped whole; a call keeps what it read."""

    def __init__(  # noqa: PLR0913  everything that a gateway needs from outside, once
        self,
        *,
        keyring: Keyring,
        knobs: Knobs,
        upstreams: Upstreams,
        transport: Transport,
        prices: Prices,
        holds: Holds,
        ledger: Bookkeeper,
        now: Callable[[], float],
        ids: Ids,
        most_body: int,
    ) -> None:
        self.keyring, self.knobs = keyring, knobs
        self.upstreams, self.transport = upstreams, transport
        self.prices, self.book = prices, prices.book
        self.holds, self.ledger = holds, ledger
        self.now, self.ids = now, ids
        self.loop = asyncio.get_running_loop()
        self.time = self.loop.time
        self.most_body = most_body  # bytes
        self.rules: tuple[tuple[All, Rule], ...] = ()
        self.counters = Counters()
        self.answers = Answers(knobs.policy.cache)
        self.state_lost: str | None = None  # why hard budgets cannot be vouched for
        self.state_behind: str | None = None  # why the sums in state.db lag, while they do
        self.draining = False
        self.hosts = Hosts()  # by which names callers may ask
        self.propagate = False  # whether providers are told of the trace that a call belongs to
