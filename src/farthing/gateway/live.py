"""What is in force at this moment, and the world around a call: clock, prices, journal, sockets."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from farthing.config import Rule
from farthing.domain.where import All
from farthing.gateway.counters import Counters
from farthing.gateway.ids import Ids

if TYPE_CHECKING:
    from farthing.access.keyring import Keyring
    from farthing.budgets.holds import Holds
    from farthing.gateway.bookkeeper import Bookkeeper
    from farthing.gateway.upstreams import Upstreams
    from farthing.policy.policy import Policy
    from farthing.prices.book import Book
    from farthing.providers.transport.wire import Transport


class Prices(Protocol):
    """Prices that may have to be learned first: a model is asked for by callers, not by us."""

    def knows(self, provider: str, model: str) -> bool: ...

    async def learn(self, provider: str, model: str) -> None: ...


class Live:
    """One for a gateway. What configuration changes is swapped whole; a call keeps what it read."""

    def __init__(  # noqa: PLR0913  everything that a gateway needs from outside, once
        self,
        *,
        keyring: Keyring,
        policy: Policy,
        policy_version: str,
        upstreams: Upstreams,
        transport: Transport,
        book: Book,
        prices: Prices,
        holds: Holds,
        ledger: Bookkeeper,
        now: Callable[[], float],
        ids: Ids,
        rules: tuple[tuple[All, Rule], ...] = (),
    ) -> None:
        self.keyring = keyring
        self.policy, self.policy_version = policy, policy_version
        self.upstreams, self.transport = upstreams, transport
        self.book, self.prices = book, prices
        self.holds, self.ledger = holds, ledger
        self.now, self.ids = now, ids
        self.rules = rules
        self.counters = Counters()
        self.state_lost: str | None = None  # why hard budgets cannot be vouched for
        self.draining = False
