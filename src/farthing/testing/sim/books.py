"""The other set of books: what must be so after every step, worked out beside the product."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from farthing.budgets.holds import Holds
from farthing.domain.call import Call
from farthing.domain.errors import Unavailable
from farthing.domain.money import Money
from farthing.gateway.bookkeeper import Bookkeeper, Lines
from farthing.ledger.journal import Entry, parsed
from farthing.testing.sim.caller import Caller
from farthing.testing.sim.disk import Killed
from farthing.testing.sim.traffic import LABEL, Cap, Plan

if TYPE_CHECKING:
    from farthing.testing.sim.provider import Made, Provider
    from farthing.testing.sim.store import Store

Place = tuple[str, str, str]
Key = tuple[str, int]  # a call's id, the attempt's number

# Seconds after which a lost state store closes hard budgets: the keeper's patience and its pace,
# and what a call may have waited for room by then.
STATE_PATIENCE = 5.0 + 0.25 + 2.25
REVOKED_WITHIN = 1.0  # seconds until a revoked key opens nothing


class Tally:
    """What one sum must be."""

    __slots__ = ("blocked", "held", "open", "settled")

    def __init__(self) -> None:
        self.settled = self.held = self.open = 0
        self.blocked = False


@dataclass(slots=True)
class Attempt:
    """One attempt, from its intent on."""

    plan: Plan
    hold: int
    places: tuple[Place, ...]
    hard: bool
    written: bool  # its intent is in the journal
    reached: bool = False
    row: Call | None = None


class Books:
    """Hears of intents and rows as they are made, of bytes as they leave, of answers as they end.

    A fault is kept rather than raised: the product would take it for one of its own errors.
    """

    def __init__(self, caps: Mapping[str, Cap], plans: Mapping[int, Plan]) -> None:
        self.caps, self._plans = caps, plans
        self.faults: list[str] = []
        self.attempts: dict[Key, Attempt] = {}
        self.free: set[str] = set()  # ids of calls that have a row without an attempt
        self.tallies: dict[Place, Tally] = {}
        self.store: Store
        self.provider: Provider
        self.holds: Holds | None = None  # of the gateway that runs
        self.checks = 0
        self.met: Counter[str] = Counter()  # what rows and answers say of how it went
        self._lifted: set[str] = set()

    def fault(self, text: str) -> None:
        self.faults.append(text)

    def intent(self, call: Call, hold: Money | None, *, written: bool, now: float) -> None:
        """An attempt is about to be made, and so much is held for it."""
        key, plan = (call.id, call.attempt), self._plan(call)
        if plan is None:
            return
        if key in self.attempts:
            self.fault(f"attempt {key} was begun twice")
        places = self._places(plan, call)
        hard = any(self.caps[place[0]].budget.hard for place in places)
        if hard and not written:
            return  # refused: nothing is sent, and the hold goes back at once
        attempt = Attempt(plan, hold.pico if hold else 0, places, hard, written)
        self.attempts[key] = attempt
        for place in places:
            tally = self._tally(place)
            tally.held += attempt.hold
            tally.open += 1
        if hard:
            self._granted(key, attempt, now)

    def perhaps(self, call: Call, hold: Money | None) -> None:
        """The process died in the writing of this intent."""
        plan = self._plan(call)
        if plan is not None:
            places = self._places(plan, call)
            pico = hold.pico if hold else 0
            attempt = Attempt(plan, pico, places, hard=False, written=False)
            self.attempts[call.id, call.attempt] = attempt

    def _granted(self, key: Key, attempt: Attempt, now: float) -> None:
        lost = self.store.lost_since
        if lost is not None and now > lost + STATE_PATIENCE:
            self.fault(
                f"{key} went on under a hard budget {now - lost:.2f} s without a state store"
            )
        limits = self._limits()
        for place in attempt.places:
            limit, tally = limits.get(place), self.tallies[place]
            if not self.caps[place[0]].budget.hard:
                continue
            if limit is None:
                self.fault(f"{key} was granted without the sum {place}")
            elif tally.blocked:
                self.fault(f"{key} was granted by {place}, which is blocked")
            elif tally.settled + tally.held > limit:
                over = Money(tally.settled + tally.held)
                self.fault(f"{key} took {place} to ${over}, past its limit of ${Money(limit)}")

    def _limits(self) -> dict[Place, int]:
        assert self.holds is not None
        return {each.place: each.limit for each in self.holds.all_sums()}

    def booked(self, call: Call) -> None:
        """A row is made."""
        key, cost = (call.id, call.attempt), _cost(call)
        self.met.update((call.status, *filter(None, (call.flags or "").split(","))))
        if call.attempt == 0:
            self.met[call.reason or ""] += 1
            self.free.add(call.id)
            if cost:
                self.fault(f"{key} sent nothing and costs {cost}")
            return
        attempt = self.attempts.get(key)
        if attempt is None:
            self.fault(f"{key} has a row and never began")
            return
        if attempt.row is not None:
            self.fault(f"{key} was booked twice")
            return
        attempt.row = call
        for place in attempt.places:
            tally = self._tally(place)
            tally.settled += cost
            tally.held -= attempt.hold
            tally.open -= 1
            if cost > attempt.hold and self._blocks(place):
                tally.blocked = True
        self._compare_with_bill(key, attempt, call)

    def _compare_with_bill(self, key: Key, attempt: Attempt, call: Call) -> None:
        """What is booked against what the provider charges, where that can be known."""
        made = self.provider.by_call.get(key)
        if made is None or not made.honest or call.effective_usd is None:
            return
        cost, flags = call.effective_usd.pico, (call.flags or "").split(",")
        if attempt.hard and cost < made.bill:
            self.fault(f"{key} is booked at {cost} and billed at {made.bill}, under a hard budget")
        if call.status == "ok" and made.whole and "estimated" not in flags and cost != made.bill:
            self.fault(f"{key} came whole, is booked at {cost} and billed at {made.bill}")

    def reached(self, key: Key) -> None:
        """A request is at the provider."""
        attempt = self.attempts.get(key)
        if attempt is None:
            self.fault(f"{key} reached the provider without an intent")
        elif attempt.row is not None:
            self.fault(f"{key} reached the provider after it was booked")
        elif attempt.reached:
            self.fault(f"{key} reached the provider twice")
        else:
            attempt.reached = True

    def check(self) -> None:
        """After every step: the product's sums are these."""
        holds, tallies = self.holds, self.tallies
        if holds is None:
            return
        self.checks += 1
        for each in holds.all_sums():
            tally = tallies.get(each.place)
            if each.unread:
                continue
            if tally is None:
                if each.settled or each.held or each.open:
                    self.fault(f"{each.place} has {each.settled}+{each.held}, and nothing counts")
            elif (
                each.settled != tally.settled
                or each.held != tally.held
                or each.open != tally.open
                or (tally.blocked and not each.blocked)
            ):
                self.fault(
                    f"{each.place} has settled {each.settled}, held {each.held} in {each.open}, "
                    f"blocked {each.blocked}; right is {tally.settled}, {tally.held} in "
                    f"{tally.open}, {tally.blocked}"
                )

    def answered(self, caller: Caller, now: float, revoked: Mapping[str, float]) -> None:
        """A call is over: its answer is its own tenant's, and an answer to what was asked."""
        plan = caller.plan
        self.met[caller.headers.get(b"x-farthing-cache", b"").decode()] += 1
        self._key_still_opens(caller, now, revoked)
        number = _number(caller.headers.get(b"x-request-id"))
        if number is None:
            self._refused(caller)
            return
        made = self.provider.made[number]
        asked = self.attempts.get(made.call)
        origin = asked.plan if asked is not None else None
        if origin is None:
            return
        if origin.tenant != plan.tenant:
            self.fault(f"call {plan.number} of {plan.tenant} got an answer of {origin.tenant}")
        if origin.question is not plan.question:
            self.fault(f"call {plan.number} got an answer to another question")
        self._bytes(caller, made)
        if caller.headers[b"x-farthing-cache"] in {b"hit", b"replayed", b"coalesced"} and (
            caller.headers[b"x-farthing-request-id"].decode() not in self.free
        ):
            self.fault(f"call {plan.number} was given an answer and has no row")

    def _key_still_opens(self, caller: Caller, now: float, revoked: Mapping[str, float]) -> None:
        since = revoked.get(caller.plan.holder.id)
        if since is None or caller.status in {0, 401, 503}:
            return
        known = max(since, self.store.found_at) + REVOKED_WITHIN
        if self.store.lost_since is None and caller.plan.at > known:
            self.fault(f"call {caller.plan.number} at {now:.2f} used a key revoked at {since:.2f}")

    def _refused(self, caller: Caller) -> None:
        """Soft budgets never refuse, whatever is lost."""
        plan = caller.plan
        lost = b"state_unavailable" in caller.body or b"cannot serve this call" in caller.body
        if caller.status == 503 and lost:  # noqa: PLR2004
            hard = any(cap.budget.hard and self._counts(cap, plan) for cap in self.caps.values())
            if not hard:
                self.fault(f"call {plan.number} was refused for a lost store without a hard budget")

    def _counts(self, cap: Cap, plan: Plan) -> bool:
        return cap.place(plan, datetime.fromtimestamp(0, UTC)) is not None

    def _bytes(self, caller: Caller, made: Made) -> None:
        """A whole answer is passed on as it was made, apart from usage that nobody asked for."""
        question = caller.plan.question
        stripped = question.stream and not question.usage_asked and question.protocol == "chat"
        if not (caller.ended and made.honest and made.whole) or caller.gone or stripped:
            return
        if b'"error"' in caller.body:
            return  # it was broken off for this caller, and the caller was told
        if caller.status == made.script.status and caller.body != b"".join(made.script.chunks):
            self.fault(f"call {caller.plan.number} got other bytes than answer {made.number} has")

    def restart(
        self, entries: Iterable[Entry], must: Sequence[Entry], *, torn: bool, synced: bool
    ) -> None:
        """A gateway came back: `entries` are in its journal, `must` is what could not be lost.

        `torn`: the power went, so that what was not synced may be there or not. `synced`: every
        line was, before the call that wrote it went on.
        """
        rows: dict[Key, Call] = {}
        for entry in entries:
            call = entry.call
            if entry.settled:
                if (call.id, call.attempt) in rows:
                    self.fault(f"{call.id, call.attempt} has two rows")
                rows[call.id, call.attempt] = call
        self._nothing_lost(rows, must, torn=torn)
        if synced or not torn:
            self._all_begun(must)
        self.tallies.clear()
        self.attempts = {key: each for key, each in self.attempts.items() if key in rows}
        for key, call in rows.items():
            self._count_again(key, call)

    def _nothing_lost(self, rows: Mapping[Key, Call], must: Sequence[Entry], *, torn: bool) -> None:
        holds: dict[Key, Money | None] = {}
        for entry in must:
            key = entry.call.id, entry.call.attempt
            if entry.settled:
                holds.pop(key, None)
                if rows.get(key) != entry.call:
                    self.fault(f"{key} was settled, and its row is now {rows.get(key)}")
            else:
                holds[key] = entry.hold
        for key, hold in holds.items():
            row = rows.get(key)
            if row is None:
                self.fault(f"{key} was begun and has no row after the restart")
            elif not torn and (row.status != "recovered" or row.effective_usd != hold):
                self.fault(f"{key} is not booked at its hold of {hold}: {row}")

    def _all_begun(self, must: Sequence[Entry]) -> None:
        kept = {(entry.call.id, entry.call.attempt) for entry in must}
        for key, attempt in self.attempts.items():
            if attempt.reached and attempt.written and key not in kept:
                self.fault(f"{key} reached the provider, and its intent is not in the journal")

    def _count_again(self, key: Key, call: Call) -> None:
        plan = self._plan(call)
        if plan is None:
            return
        self.met["recovered"] += call.status == "recovered"
        if call.attempt == 0:
            self.free.add(call.id)
            return
        places = self._places(plan, call)
        known = self.attempts.get(key)
        if known is None:
            self.fault(f"{key} has a row and never began")
            return
        known.row = call
        for place in places:
            tally = self._tally(place)
            tally.settled += _cost(call)
            if "over_bound" in (call.flags or "").split(",") and self._blocks(place):
                tally.blocked = True

    def _blocks(self, place: Place) -> bool:
        return self.caps[place[0]].budget.hard and place[0] not in self._lifted

    def lift(self, name: str) -> None:
        """A block is lifted; the gateway hears of it a little later, so it is not held to one."""
        self._lifted.add(name)
        for place, tally in self.tallies.items():
            if place[0] == name:
                tally.blocked = False

    def compare_stored(self, stored: Mapping[Place, int]) -> None:
        """Before traffic: each sum, in memory or in state.db, is the sum over the rows."""
        assert self.holds is not None
        found = {**stored, **{each.place: each.settled for each in self.holds.all_sums()}}
        for place in {**found, **self.tallies}:
            right = self._tally(place).settled
            if found.get(place, 0) != right:
                self.fault(f"after the restart {place} is {found.get(place, 0)}, its rows {right}")

    def at_rest(self) -> None:
        """Nothing is in flight: every attempt has its row, and nothing is held."""
        for key, attempt in self.attempts.items():
            if attempt.row is None:
                self.fault(f"{key} was never settled")
        for place, tally in self.tallies.items():
            if tally.held or tally.open:
                self.fault(f"{place} still holds {tally.held} in {tally.open}")

    def _tally(self, place: Place) -> Tally:
        found = self.tallies.get(place)
        if found is None:
            found = self.tallies[place] = Tally()
        return found

    def _places(self, plan: Plan, call: Call) -> tuple[Place, ...]:
        if plan.question.free:
            return ()
        found = (cap.place(plan, call.time) for cap in self.caps.values())
        return tuple(place for place in found if place is not None)

    def _plan(self, call: Call) -> Plan | None:
        tags = msgspec.json.decode(call.tags or "{}", type=dict[str, str])
        with suppress(KeyError):
            return self._plans[int(tags[LABEL])]
        self.fault(f"the row {call.id, call.attempt} does not say whose call it is")
        return None


class WatchedBookkeeper(Bookkeeper):
    """The real one, heard by the other books."""

    def __init__(self, journal: Lines, books: Books) -> None:
        super().__init__(journal)
        self._books = books

    def intend(self, attempt: Key, line: bytes) -> None:
        _, call, hold = parsed(line)
        try:
            super().intend(attempt, line)
        except Unavailable:
            self._books.intent(call, hold, written=False, now=self._time())
            raise
        except Killed:  # before it was written, or after
            self._books.perhaps(call, hold)
            raise
        self._books.intent(call, hold, written=True, now=self._time())

    def book(self, attempt: Key, line: bytes, *, refused: bool = False) -> None:
        _, call, _ = parsed(line)
        if (call.id, call.attempt) != attempt:
            self._books.fault(f"the row of {attempt} says that it is of {call.id, call.attempt}")
        self._books.booked(call)
        super().book(attempt, line, refused=refused)

    def _time(self) -> float:
        import asyncio

        return asyncio.get_running_loop().time()


def _cost(call: Call) -> int:
    return call.effective_usd.pico if call.effective_usd is not None else 0


def _number(told: bytes | None) -> int | None:
    """Which of the provider's answers it is; None: it is none of them."""
    return int(told[5:]) if told is not None and told.startswith(b"made-") else None
