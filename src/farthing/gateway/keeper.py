"""Keep a running gateway in step with state.db: what is in force comes in, sums go out."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from farthing.access import rules
from farthing.access.keyring import Keyring
from farthing.access.secret import Secrets
from farthing.budgets import store as budgets
from farthing.budgets.holds import Kept, Place
from farthing.domain.errors import FarthingError, Unavailable
from farthing.domain.where import parse
from farthing.gateway import tallies
from farthing.gateway.knobs import Knobs
from farthing.gateway.live import Live
from farthing.gateway.restore import Checkpoints, Marks
from farthing.ledger import used_rates
from farthing.ledger.state import State
from farthing.policy import policy, versions
from farthing.prices.rate import Rate

_log = logging.getLogger(__name__)

LOOK_SECONDS = 0.25  # a change takes effect within a second
STORE_SECONDS = 1.0
TELL_SECONDS = 5.0  # how old the figures of `farthing cache show` may be
PATIENCE_SECONDS = 5.0  # how long state.db may be out of reach before hard budgets refuse


class Keeper:
    def __init__(
        self, state: State, live: Live, checkpoints: Checkpoints, secrets: Secrets
    ) -> None:
        self._state, self._live = state, live
        self._checkpoints, self._secrets = checkpoints, secrets
        self._seen: object = None
        self._lifts: dict[str, int] = {}
        self._writer = ThreadPoolExecutor(1, "farthing-state")
        self._store: State | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._reached = self._told = 0.0

    def start(self) -> None:
        self._reached = asyncio.get_running_loop().time()
        self._tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._keep())]

    async def close(self) -> None:
        """Store the sums once more; nothing may be booked after this."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._note_rates()
        await self.checkpoint()
        await self._tell_answers()
        if left := self._live.ledger.waiting:
            _log.error("the journal takes nothing: %d settled rows are lost", left)
        self._writer.shutdown()

    def load(self) -> None:
        """Put in force what state.db says. Raises Refused, Unavailable."""
        live, state = self._live, self._state
        live.answers.follow(state)
        live.keyring = Keyring.load(state)
        found = versions.current(state)
        same = live.knobs.version == f"{found.version}"
        chosen = live.knobs.policy if same else policy.parse(found.text)
        live.knobs = Knobs(chosen, f"{found.version}", live.upstreams, live.keyring, live.knobs)
        live.answers.limit(chosen.cache)
        live.rules = tuple((parse(rule.match), rule) for rule in rules.current(state))
        stored = budgets.all_budgets(state)
        live.holds.configure(each.budget for each in stored.values())
        for name, each in stored.items():
            if each.lifts > self._lifts.get(name, 0) and self._seen is not None:
                live.holds.lift(name)
            self._lifts[name] = each.lifts
        self._seen = self._changes()

    async def checkpoint(self) -> None:
        self._live.ledger.catch_up()
        if self._live.ledger.waiting:  # sums include what the journal does not have yet
            return
        try:
            taken = self._checkpoints.take()
        except FarthingError:
            return
        if taken is None:
            return
        try:
            await asyncio.get_running_loop().run_in_executor(self._writer, self._write, *taken)
        except FarthingError as error:
            self._checkpoints.failed(taken[0])
            if self._live.state_behind is None:
                _log.error("budget sums cannot be stored; a start counts them anew: %s", error)
            self._live.state_behind = "budget sums cannot be stored"
        except asyncio.CancelledError:  # written or not: the last checkpoint writes them again
            self._checkpoints.failed(taken[0])
            raise
        else:
            self._live.state_behind = None
            self._live.holds.forget_idle()

    async def _note_rates(self) -> None:
        """What live calls were priced with goes into the price table, by way of state.db."""
        ids, self._live.ledger.new_rates = self._live.ledger.new_rates, []
        rates = [rate for each in ids if (rate := self._live.book.rate(each)) is not None]
        if not rates:
            return
        try:
            await asyncio.get_running_loop().run_in_executor(self._writer, self._keep_rates, rates)
        except FarthingError:
            self._live.ledger.new_rates += ids
        except asyncio.CancelledError:
            self._live.ledger.new_rates += ids
            raise

    def _keep_rates(self, rates: list[Rate]) -> None:
        used_rates.keep(self._opened(), rates)

    async def _tell_answers(self) -> None:
        """What answers from memory saved, by way of state.db."""
        self._told = asyncio.get_running_loop().time()
        if (rows := self._live.answers.news()) is not None:
            with suppress(FarthingError):  # the next ones say all that these say
                await asyncio.get_running_loop().run_in_executor(self._writer, self._tell, rows)

    def _tell(self, rows: list[tallies.Row]) -> None:
        tallies.write(self._opened(), rows)

    def _opened(self) -> State:
        """The writing thread's own connection."""
        if self._store is None:
            self._store = self._state.again()
        return self._store

    def _write(self, changed: list[tuple[Place, Kept]], marks: Marks) -> None:
        self._checkpoints.write(self._opened(), changed, marks)

    def _changes(self) -> object:
        """What differs once anything in force was changed: every change is noted there."""
        return self._state.rows("SELECT max(rowid) FROM audit")

    async def _follow(self) -> None:
        version = None
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            now = asyncio.get_running_loop().time()
            try:
                found = self._state.version()
                if found != version and self._changes() != self._seen:
                    self.load()
                version = found
            except Unavailable as error:
                if now > self._reached + PATIENCE_SECONDS:
                    if self._live.state_lost is None:
                        _log.error("%s", error)
                    self._live.state_lost = "Hard budgets cannot be vouched for now. Try again."
                continue
            except (
                FarthingError
            ):  # what was written is no policy of this version: the old one holds
                with suppress(Unavailable):
                    self._seen = self._changes()
            self._reached, self._live.state_lost = now, None

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(STORE_SECONDS)
            self._secrets.refresh()
            await self._note_rates()
            await self.checkpoint()
            if asyncio.get_running_loop().time() > self._told + TELL_SECONDS:
                await self._tell_answers()
