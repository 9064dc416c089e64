"""Grant what still fits into every budget, and take back what a call did not use. Read this first.

A call holds its worst case in each budget that covers it before its bytes leave, and settles at
its true cost. So for every hard budget, at every moment: settled + held ≤ limit. Nothing is read
and hoped for: one process keeps the sums, between two awaits they cannot change, and state.db
with the journal bring them back after a restart.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Protocol

from farthing.budgets.budget import Budget, bare
from farthing.budgets.periods import label_of, period_of
from farthing.domain.errors import Unavailable
from farthing.domain.where import All, holds, parse

Facts = Mapping[str, str | None]
Place = tuple[str, str, str]  # budget, instance, first moment of the period as ISO text or ""

MANY = 50_000  # sums in memory; the idle ones beyond are looked up in the store again
OVER_BOUND = "over_bound"  # why a budget is blocked: a call cost more than it held
ROUTES = 20_000  # kinds of callers whose budgets are remembered


class Sum:
    """What one budget has settled and held in one stretch of time, in picodollars."""

    __slots__ = (
        "blocked", "budget", "held", "limit", "open", "place", "settled", "unread", "until",
    )  # fmt: skip

    def __init__(self, budget: Budget, place: Place, until: float, kept: Kept) -> None:
        self.budget, self.place, self.until = budget, place, until
        self.limit = budget.limit.pico
        self.settled, self.blocked = kept
        self.held = self.open = 0  # picodollars, and how many holds: one may be of nothing
        self.unread = False  # what the store has of it is still to be added

    @property
    def free(self) -> int:
        """What may still be granted; 0 where the budget is blocked."""
        return 0 if self.blocked else self.limit - self.settled - self.held


Kept = tuple[int, str | None]  # settled picodollars, why it is blocked
NOTHING: Kept = (0, None)


class Store(Protocol):
    """Where sums that are not in memory lie."""

    def kept(self, place: Place) -> Kept:
        """Raises Unavailable."""
        ...


_FIRST: Mapping[str, int] = {}


class Hold:
    """What one attempt may cost at most, taken out of `sums` until it is settled."""

    __slots__ = ("amount", "hard", "open", "sums")

    def __init__(self, sums: tuple[Sum, ...], amount: int) -> None:
        self.sums, self.amount, self.open = sums, amount, True
        # Else the amount was a guess; that a budget became hard since makes it no bound.
        self.hard = any([each.budget.hard for each in sums])


class Holds:
    """The budgets in force and their sums. For one event loop; nothing here blocks."""

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self._store, self._now = store, now
        self._budgets: list[tuple[Budget, All]] = []
        self._routes: dict[tuple[str | None, ...], tuple[Budget, ...]] = {}
        self._fields: tuple[str, ...] = ()
        self._sums: dict[Place, Sum] = {}
        self._periods: dict[tuple[str, str], tuple[float, float, str]] = {}
        self._waiting: deque[tuple[asyncio.Future[None], tuple[Sum, ...]]] = deque()
        self._changed: dict[Place, Sum] = {}
        self._unread: list[Sum] = []
        self.openings: Mapping[str, int] = {}  # by budget, which opening its sums go on from
        # In loop seconds. Calls that began before then may hold in other sums than they count in.
        self.changed_at = float("-inf")

    def configure(self, budgets: Iterable[Budget], openings: Mapping[str, int] = _FIRST) -> bool:
        """Put other budgets in force; whether any of them counts other calls than before.

        Sums go on, but for a budget whose opening is another; a raised limit wakes those who wait.
        """
        self.read_up()  # one of them may be hard from now on
        before = [(each.name, each.counts) for each, _ in self._budgets], self.openings
        self._budgets = [(each, parse(each.where) if each.where else ()) for each in budgets]
        fresh = {n for n in openings if openings[n] != self.openings.get(n)}
        self.openings = dict(openings)
        named = {bare(condition.field) for _, where in self._budgets for condition in where}
        self._fields = tuple(sorted(named))
        self._routes.clear()
        limits = {each.name: each for each, _ in self._budgets}
        for place, found in list(self._sums.items()):
            if (budget := limits.get(place[0])) is None or place[0] in fresh:
                del self._sums[place]
                self._changed.pop(place, None)
            else:
                found.budget, found.limit = budget, budget.limit.pico
        self._wake()
        return before != ([(each.name, each.counts) for each, _ in self._budgets], self.openings)

    def lift(self, name: str) -> None:
        """Grant again from a budget that was blocked."""
        for place, found in self._sums.items():
            if place[0] == name and found.blocked:
                found.blocked = None
                self._changed[place] = found
        self._wake()

    def sums(self, facts: Facts, at: float, *, late: bool = False) -> tuple[Sum, ...]:
        """The sums that a call with these facts, begun at `at` (epoch seconds), counts in.

        Raises Unavailable where nobody can say what is left of a hard one; not to who is `late`,
        and has to count.
        """
        if not self._budgets:
            return ()
        kind = tuple([facts.get(field) for field in self._fields])
        budgets = self._routes.get(kind)
        if budgets is None:
            if len(self._routes) >= ROUTES:
                self._routes.clear()
            budgets = tuple(each for each, where in self._budgets if holds(where, facts))
            self._routes[kind] = budgets
        return tuple(
            [s for each in budgets if (s := self._sum(each, facts, at, late=late)) is not None]
        )

    def try_take(self, sums: tuple[Sum, ...], amount: int) -> Hold | None:
        """Hold `amount` picodollars in all of them, or nothing where a hard one lacks it."""
        for each in sums:
            if each.budget.hard and amount > each.free:
                return None
        for each in sums:
            each.held += amount
            each.open += 1
        return Hold(sums, amount)

    def tightest(self, sums: tuple[Sum, ...]) -> Sum | None:
        """The hard sum that has the least left; None where none is hard."""
        hard = [each for each in sums if each.budget.hard]
        return min(hard, key=lambda each: each.free) if hard else None

    def may_fit(self, sums: tuple[Sum, ...], amount: int) -> bool:
        """Whether it would fit if everything held now came back unused."""
        return all(
            not each.blocked and amount <= each.limit - each.settled
            for each in sums
            if each.budget.hard
        )

    async def freed(self, sums: tuple[Sum, ...], until: float) -> bool:
        """Wait until something may have become free in these; False once `until` (loop time)."""
        loop = asyncio.get_running_loop()
        seconds = until - loop.time()
        if seconds <= 0:
            return False
        woken: asyncio.Future[None] = loop.create_future()
        entry = (woken, sums)
        self._waiting.append(entry)
        timer = loop.call_later(seconds, _set, woken)
        try:
            await woken
        finally:
            timer.cancel()
            if entry in self._waiting:
                self._waiting.remove(entry)
        return loop.time() < until

    def settle(self, hold: Hold, cost: int) -> bool:
        """Book what it cost. False where that exceeds the bound: hard budgets are then blocked."""
        if not hold.open:
            return True
        hold.open = False
        within = cost <= hold.amount or not hold.hard
        for each in hold.sums:
            each.held -= hold.amount
            each.open -= 1
            each.settled += cost
            if not within and each.budget.hard:
                each.blocked = OVER_BOUND
            if cost or not within:
                self._changed[each.place] = each
        if self._waiting:
            self._wake()
        return within

    def settle_late(self, hold: Hold | None, cost: int, facts: Facts, at: float) -> bool:
        """Book what a call cost that may have begun before a change of budgets.

        What it held goes back where it was taken; what it cost counts in the budgets of now.
        False where hard budgets that it held in are blocked.
        """
        blocked: list[Sum] = []
        if hold is not None and hold.open:
            hold.open = False
            for each in hold.sums:
                each.held -= hold.amount
                each.open -= 1
            if hold.hard and cost > hold.amount:
                blocked = [each for each in hold.sums if each.budget.hard]
        if cost:
            for each in self.sums(facts, at, late=True):
                each.settled += cost
                self._changed[each.place] = each
        for each in blocked:
            if self._sums.get(each.place) is each:
                each.blocked = OVER_BOUND
        self._wake()
        return not blocked

    def count(
        self,
        facts: Facts,
        at: float,
        cost: int,
        *,
        over: bool = False,
        only: Collection[str] | None = None,
    ) -> None:
        """Add what was settled without a hold in this process: a replayed line.

        `only` names the budgets that lack it.
        """
        for each in self.sums(facts, at):
            if only is not None and each.budget.name not in only:
                continue
            each.settled += cost
            if over and each.budget.hard:
                each.blocked = OVER_BOUND
            self._changed[each.place] = each

    def take_changed(self) -> list[tuple[Place, Kept]]:
        """What to write to the store: each changed sum as it is now. Raises Unavailable."""
        self.read_up()
        changed = [(place, (s.settled, s.blocked)) for place, s in self._changed.items()]
        self._changed.clear()
        return changed

    def read_up(self) -> None:
        """Add what is stored of sums that began while the store was out of reach."""
        while self._unread:
            found = self._unread[-1]
            settled, blocked = self._store.kept(found.place)
            self._unread.pop()
            found.settled += settled
            found.blocked = found.blocked or blocked
            found.unread = False

    def forget_idle(self) -> None:
        """Leave what nobody uses to the store, where there are too many to keep."""
        if len(self._sums) > MANY:
            waited = {each.place for _, sums in self._waiting for each in sums}
            self._sums = {
                place: each
                for place, each in self._sums.items()
                if each.open or each.unread or place in self._changed or place in waited
            }

    def put_back(self, changed: list[tuple[Place, Kept]]) -> None:
        """The store could not be written: these are still to be stored."""
        for place, _ in changed:
            if place in self._sums:
                self._changed[place] = self._sums[place]

    def open_holds(self) -> int:
        """Picodollars held now, over all sums."""
        return sum(each.held for each in self._sums.values())

    def open_count(self) -> int:
        """How many holds are open, one for each sum that they are held in."""
        return sum(each.open for each in self._sums.values())

    def standing(self, at: float, most: int) -> list[Sum]:
        """How each hard budget stands in the period of `at`; of one that has a sum for each
        customer or session, that which is nearest its limit. Of more than `most`, the nearest.
        """
        hard = [budget for budget, _ in self._budgets if budget.hard]
        if len(hard) <= most:
            for budget in hard:
                self._sum(budget, {}, at)  # one that nobody asked for since a restart
        nearest: dict[str, Sum] = {}
        for each in self._sums.values():
            if each.budget.hard and at < each.until:
                known = nearest.get(each.budget.name)
                if known is None or each.free < known.free:
                    nearest[each.budget.name] = each
        return sorted(nearest.values(), key=lambda each: each.free / max(each.limit, 1))[:most]

    def names(self) -> list[str]:
        return [each.name for each, _ in self._budgets]

    def all_sums(self) -> Iterable[Sum]:
        return self._sums.values()

    def _sum(self, budget: Budget, facts: Facts, at: float, *, late: bool = False) -> Sum | None:
        field = "session_id" if budget.span == "run" else budget.per and bare(budget.per)
        instance = "" if field is None else facts.get(field)
        if instance is None:  # the call is of no run, or has no such customer
            return None
        _, until, start = self._period(budget, at)
        place = (budget.name, instance, start)
        found = self._sums.get(place)
        if found is None:
            found = self._sums[place] = self._begun(budget, place, until, late=late)
        elif found.unread and budget.hard and not late:
            raise Unavailable(f"Nobody can say now what is left of budget {budget.name!r}.")
        return found

    def _begun(self, budget: Budget, place: Place, until: float, *, late: bool) -> Sum:
        """A sum that was not in memory. While nobody can look it up, a hard one grants nothing."""
        try:
            return Sum(budget, place, until, self._store.kept(place))
        except Unavailable:
            if budget.hard and not late:
                raise
            found = Sum(budget, place, until, NOTHING)
            found.unread = True
            self._unread.append(found)
            return found

    def _period(self, budget: Budget, at: float) -> tuple[float, float, str]:
        known = self._periods.get((budget.span, budget.timezone))
        if known is not None and known[0] <= at < known[1]:
            return known
        first, last = period_of(budget.span, budget.timezone, datetime.fromtimestamp(at, UTC))
        found = (
            first.timestamp() if first else float("-inf"),
            last.timestamp() if last else float("inf"),
            label_of(first),
        )
        self._periods[budget.span, budget.timezone] = found
        return found

    def _wake(self) -> None:
        """Let everyone who waits look again, the longest waiting first."""
        for woken, _ in self._waiting:
            _set(woken)


def _set(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)
