"""One gateway process of a simulation: it opens, serves, and ends as it must."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from farthing.app import Around, GatewayApp
from farthing.config import Gateway, Settings, Upstream
from farthing.domain.money import Money
from farthing.ledger import journal
from farthing.ledger.journal import Entry, Fsync, Journal, Segment
from farthing.ledger.state import State
from farthing.ledger.workspace import Workspace
from farthing.prices.inquiry import Inquiry
from farthing.prices.live import LivePrices
from farthing.prices.shelf import Shelf, Told
from farthing.testing.sim.books import WatchedBookkeeper
from farthing.testing.sim.caller import Caller
from farthing.testing.sim.changes import schedule
from farthing.testing.sim.disk import Life, SimDisk
from farthing.testing.sim.ground import book, protocols, template
from farthing.testing.sim.loop import SimLoop
from farthing.testing.sim.store import Store
from farthing.testing.sim.traffic import Plan

if TYPE_CHECKING:
    from farthing.testing.sim.world import World

End = Literal["kill", "power", "stop"]

_MOST_STEPS = 60_000  # of one wait; more than that does not end
_DRAIN_SECONDS = 5.0
_AGAIN = {0, 429, 502, 503, 504}  # what a client's library tries once more
_PROVIDERS = {
    name: Upstream(kind="simulator", base_url=f"http://127.0.0.{at}", models=models, weight=at)
    for at, (name, models) in enumerate(
        {"alpha": ("sim-*",), "beta": ("sim-*", "odd-*"), "gamma": ("sim-small",)}.items(), 1
    )
}


class Process:
    """`end` None: it is left in peace until every call was made, and then stopped."""

    def __init__(self, world: World, end: End | None) -> None:
        self.world, self.end = world, end
        dice, clock = world.dice, world.clock
        self.last_step, effects = _fate(world) if end is not None else (None, None)
        self.life = Life(dice, effects)
        # Of a loop's many methods it has those that a gateway calls.
        self.loop = SimLoop(clock, dice, world.weather.shuffle)  # type: ignore[abstract]
        self.disk = SimDisk(world.platter, self.life, self.loop, world)
        self.store = Store(self.life)
        self.calls: dict[int, tuple[Caller, asyncio.Task[None]]] = {}
        self.steps = 0
        self.closed = False  # nobody is let in any more
        self.app = GatewayApp(
            Workspace.open(world.root),
            Settings(providers=_PROVIDERS, gateway=Gateway(fsync=world.fsync)),
            self._around(),
        )
        world.books.store = self.store

    def run(self) -> None:
        """Open, serve, end."""
        world, books = self.world, self.world.books
        world.tell(f"a gateway starts; its end is {self.end or 'peace'}")
        with self.loop:
            if self._opens() and self._serves():
                self._stops()
            books.holds = None
            self.life.dead = True
            self._die()
        if not books.faults:
            self._remember()

    def _around(self) -> Around:
        world = self.world
        return Around(
            now=world.clock.now,
            entropy=world.dice.randbytes,
            disk=self.disk,
            journal=self._journal,
            state=self.store.open,
            prices=self._prices,
            transport=world.provider.transport,
            protocols=protocols,
            bookkeeper=lambda lines: WatchedBookkeeper(lines, world.books),
            line=world.line,
        )

    def _journal(self, workspace: Workspace, fsync: Fsync) -> Journal:
        world = self.world
        return Journal(
            workspace,
            fsync=fsync,
            rotate_bytes=world.rotate_bytes,
            rotate_seconds=world.rotate_seconds,
            disk=self.disk,
            name=journal.new_set(world.clock.now(), world.dice.randbytes),
            clock=self.loop.time,
        )

    def _prices(self, _: Path) -> LivePrices:
        return LivePrices(book(), Shelf(), Clerk(self.world), now=self.loop.time)

    def _opens(self) -> bool:
        """Whether it came up with its books in order: looked at before traffic."""
        opening = self.loop.create_task(self.app.open())
        if not self._until(opening.done):
            return False
        if self.life.dead:
            return False
        if (error := opening.exception()) is not None:
            self.world.books.fault(f"the gateway does not start: {error!r}")
            return False
        self._compare()
        return not self.world.books.faults

    def _compare(self) -> None:
        world, books = self.world, self.world.books
        books.holds = self.app.live.holds
        entries = journal.replay(Workspace.open(world.root), {})
        books.restart(list(entries), world.must, torn=world.torn, synced=world.fsync == "always")
        state = State.open(world.root)
        found = state.rows("SELECT budget, instance, period, settled_usd FROM sums")
        state.close()
        world.must, world.torn = [], False
        books.compare_stored({(a, b, c): Money.of(usd).pico for a, b, c, usd in found})

    def _serves(self) -> bool:
        """Traffic, until its end; True where that is to be a stop in peace."""
        world = self.world
        for plan in world.waiting.values():
            self._expect(plan)
        schedule(self)
        if self.end in {"kill", "power"}:
            self._until(self._rests)  # or it dies idle
            return False
        return self._until(self._rests if self.end is None else self._is_told_to_stop)

    def _expect(self, plan: Plan) -> None:
        self.loop.call_at(max(plan.at, self.world.clock.seconds), self._call, plan)

    def _call(self, plan: Plan) -> None:
        if self.closed:
            return
        del self.world.waiting[plan.number]
        caller = Caller(plan, template().tokens[plan.holder.id])
        self.calls[plan.number] = caller, self.loop.create_task(self._answer(caller))
        if plan.patience is not None:
            self.loop.call_later(plan.patience, caller.leave)

    async def _answer(self, caller: Caller) -> None:
        world, plan = self.world, caller.plan
        try:
            await self.app.asgi(caller.scope, caller.receive, caller.send)
        except asyncio.CancelledError:
            caller.leave()
        except Exception as error:  # noqa: BLE001  whatever it is, a caller must not get it
            world.books.fault(f"call {plan.number} met {error!r}")
        del self.calls[plan.number]
        if not (caller.ended or caller.gone):
            world.books.fault(f"call {plan.number} was left without an end to its answer")
        world.over(caller)
        world.books.answered(caller, world.clock.seconds, world.revoked)
        if caller.headers.get(b"x-should-retry") != b"false" and caller.status in _AGAIN:
            again = world.again(plan)
            if again is not None:
                self._expect(again)

    def _rests(self) -> bool:
        return not self.calls and not self.world.waiting

    def _is_told_to_stop(self) -> bool:
        return self._rests() or self.steps >= (self.last_step or 0)

    def _stops(self) -> None:
        """As uvicorn and `gateway_process` do it: drain, cut off who is still there, close."""
        self.app.live.draining = True
        until = self.world.clock.seconds + _DRAIN_SECONDS
        if not self._until(lambda: not self.calls or self.loop.time() >= until):
            return
        self.closed = True
        left = [task for _, task in self.calls.values()]
        for task in left:
            task.cancel()
        if not self._until(lambda: all(task.done() for task in left)):
            return
        closing = self.loop.create_task(self.app.close())
        if not self._until(closing.done):
            return
        error = closing.exception()
        if error is not None and not self.disk.troubled:
            self.world.books.fault(f"the gateway did not close: {error!r}")
        self.world.books.at_rest()

    def _until(self, done: Callable[[], bool]) -> bool:
        """Step on; False where the process died or a fault was found before it was done."""
        loop, life, books = self.loop, self.life, self.world.books
        dies_at = self.last_step if self.end in {"kill", "power"} else None
        for _ in range(_MOST_STEPS):
            if done():
                return True
            if not loop.step():
                books.fault("nothing is left to do, and somebody waits")
            self.steps += 1
            if life.dead or self.steps == dies_at:
                return False
            books.check()
            if books.faults or loop.faults:
                books.faults += loop.faults
                return False
        books.fault(f"no end after {_MOST_STEPS} steps")
        return False

    def _die(self) -> None:
        """Everything in memory is gone; the system closes what was open."""
        world = self.world
        world.report.steps += self.steps
        self.life.over = True
        self.loop.bury()
        self.disk.abandon()
        self.store.abandon()
        for caller, _ in self.calls.values():
            caller.gone = True
            world.over(caller)
            world.again(caller.plan)

    def _remember(self) -> None:
        """What the disk has now, or has for certain, must be there after the next start."""
        world = self.world
        power = self.end == "power"
        world.torn |= power
        world.report.ends[self.end or "peace"] += 1
        world.tell(f"it ended after {self.steps} steps")
        sizes = dict(world.platter.durable())
        if power:
            world.platter.lose(world.dice)
            world.must = []
        world.must += [
            entry
            for segment in journal.segments(Workspace.open(world.root))
            if not power or segment.path in sizes
            for entry in _legible(segment, sizes[segment.path] if power else None)
        ]


def _legible(segment: Segment, end: int | None) -> Iterator[Entry]:
    """What can be read of a segment that was not adopted yet: an earlier cut may have torn it."""
    written = segment.path.read_bytes()[:end]
    for line in written[: written.rfind(b"\n") + 1].splitlines():
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            yield Entry(segment, *journal.parsed(line))


class Clerk(Inquiry):
    """Knows no prices, and takes its time to say so; sometimes it says nothing."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._dice = world.dice

    async def ask(self, provider: str | None, model: str) -> Told | None:
        await asyncio.sleep(self._dice.choice((0.0, 0.1, 4.0)))
        return Told(provider, model, None) if self._dice.random() < 0.7 else None  # noqa: PLR2004


def _fate(world: World) -> tuple[int | None, int | None]:
    """After which step it ends, or at which of its effects on disk and state."""
    dice = world.dice
    if dice.random() < 0.5:  # noqa: PLR2004
        return None, dice.choice((dice.randint(1, 12), dice.randint(1, 120)))
    return dice.choice((dice.randint(1, 60), dice.randint(1, 1500))), None
