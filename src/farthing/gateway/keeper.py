"""Keep a running gateway in step with state.db: what is in force comes in, sums go out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from farthing.access import rules
from farthing.access.keyring import Keyring
from farthing.access.secret import Secrets
from farthing.budgets import store as budgets
from farthing.budgets.store import Stored
from farthing.domain.errors import FarthingError, Unavailable
from farthing.domain.where import parse
from farthing.gateway import tallies
from farthing.gateway.knobs import Knobs
from farthing.gateway.live import Live
from farthing.gateway.restore import Checkpoints, Marks, Taken, by_cut, count, settled_after
from farthing.ledger import used_rates
from farthing.ledger.state import State
from farthing.ledger.workspace import Workspace
from farthing.policy import policy, versions
from farthing.prices.rate import Rate

_log = logging.getLogger(__name__)

LOOK_SECONDS = 0.25  # a change takes effect within a second
STORE_SECONDS = 1.0
TELL_SECONDS = 5.0  # how old the figures of `farthing cache show` may be
PATIENCE_SECONDS = 5.0  # how long state.db may be out of reach before hard budgets refuse


class Keeper:
    def __init__(
        self,
        workspace: Workspace,
        state: State,
        live: Live,
        checkpoints: Checkpoints,
        secrets: Secrets,
    ) -> None:
        self._workspace, self._state, self._live = workspace, state, live
        self._checkpoints, self._secrets = checkpoints, secrets
        self._seen: object = None
        self._lifts: dict[str, int] = {}
        self._joined: set[int] = set()  # openings whose cut is behind us
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
        seen = self._changes()
        self._load(budgets.all_budgets(self._state))
        self._seen = seen

    def begin(self) -> Mapping[str, Marks]:
        """Load for the first time; answers which budgets go on from a cut of their own.

        To count from there is then up to `restore`.
        """
        seen = self._changes()
        stored = budgets.all_budgets(self._state)
        cuts = self._cuts(stored)
        self._note_joined(stored[name] for name in cuts)
        self._load(stored)
        self._seen = seen
        return cuts

    def _load(self, stored: Mapping[str, Stored]) -> None:
        live, state = self._live, self._state
        live.answers.follow(state)
        live.keyring = Keyring.load(state)
        found = versions.current(state)
        same = live.knobs.version == f"{found.version}"
        chosen = live.knobs.policy if same else policy.parse(found.text)
        live.knobs = Knobs(chosen, f"{found.version}", live.upstreams, live.keyring, live.knobs)
        live.answers.limit(chosen.cache)
        live.rules = tuple((parse(rule.match), rule) for rule in rules.current(state))
        self._put_budgets(stored)

    def _put_budgets(self, stored: Mapping[str, Stored]) -> None:
        """With what the journal has after the cuts of those that were just set: one step."""
        holds, cuts = self._live.holds, self._cuts(stored)
        if cuts:
            self._live.ledger.catch_up()
            if self._live.ledger.waiting:
                raise Unavailable("The journal lacks what new budgets have to count.")
        tenants = {key.id: key.tenant for key in self._live.keyring.all()} if cuts else {}
        tails = [
            (names, list(settled_after(self._workspace, cut, tenants)))
            for cut, names in by_cut(cuts)
        ]
        openings = {name: each.opened.id for name, each in stored.items() if each.opened}
        if holds.configure((each.budget for each in stored.values()), openings):
            holds.changed_at = asyncio.get_running_loop().time()
        for names, tail in tails:
            count(holds, tail, names)
        self._note_joined(stored[name] for name in cuts)
        for name, each in stored.items():
            if each.lifts > self._lifts.get(name, 0) and self._seen is not None:
                holds.lift(name)
            self._lifts[name] = each.lifts

    def _cuts(self, stored: Mapping[str, Stored]) -> dict[str, Marks]:
        """The budgets whose sums are not as far in the journal as the others'."""
        return {
            name: each.opened.cut
            for name, each in stored.items()
            if each.opened and each.opened.cut is not None and each.opened.id not in self._joined
        }

    def _note_joined(self, budgets: Iterable[Stored]) -> None:
        ids = {each.opened.id for each in budgets if each.opened}
        self._joined |= ids
        self._checkpoints.joined(ids)

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
            await asyncio.get_running_loop().run_in_executor(self._writer, self._write, taken)
        except FarthingError as error:
            self._checkpoints.failed(taken)
            if self._live.state_behind is None:
                _log.error("budget sums cannot be stored; a start counts them anew: %s", error)
            self._live.state_behind = "budget sums cannot be stored"
        except asyncio.CancelledError:  # written or not: the last checkpoint writes them again
            self._checkpoints.failed(taken)
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

    def _write(self, taken: Taken) -> None:
        self._checkpoints.write(self._opened(), taken)

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
