"""One seed's world: a gateway that is asked, lied to, killed and started again. Read this first.

Everything random comes from one generator in one order, and nothing else decides what happens:
so a seed is a story, and the same seed is the same story.
"""

from __future__ import annotations

import logging
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from random import Random
from time import perf_counter

from farthing.app import line
from farthing.budgets import holds
from farthing.budgets import store as budgets
from farthing.gateway.live import Live
from farthing.gateway.pipeline import Rest
from farthing.ledger.journal import Entry, Fsync
from farthing.ledger.state import State
from farthing.policy import versions
from farthing.testing.sim import traffic, weather
from farthing.testing.sim.books import Books
from farthing.testing.sim.caller import Caller
from farthing.testing.sim.disk import Platter
from farthing.testing.sim.ground import BY, memory, template
from farthing.testing.sim.life import End, Process
from farthing.testing.sim.loop import Clock
from farthing.testing.sim.provider import Provider
from farthing.testing.sim.traffic import HOLDERS, POLICIES, Plan
from farthing.testing.sim.weather import Weather

Line = Callable[[Live], Rest]

CALLS = 25
_NOON = datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp()
_MIDNIGHT = datetime(2026, 11, 30, 23, 59, 55, tzinfo=UTC).timestamp()  # and the month ends
_ENDS: tuple[End, ...] = ("kill", "kill", "power", "power", "stop")


@dataclass
class Report:
    """What one seed came to. `digest` is the same whenever the story is."""

    seed: int
    faults: list[str] = field(default_factory=list)
    steps: int = 0
    checks: int = 0
    seconds: float = 0.0  # virtual
    calls: int = 0
    attempts: int = 0  # that reached the provider
    ends: Counter[str] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)  # by status; 0: none came whole
    met: Counter[str] = field(default_factory=Counter)  # statuses, flags, reasons, cache words
    digest: str = ""
    story: list[str] = field(default_factory=list)


def simulate(
    seed: int, calls: int = CALLS, gateway_line: Line = line, sky: Weather | None = None
) -> Report:
    """Live through one seed. No fault in the report: all that must be so was, after every step.

    `gateway_line` is the pipeline that is put to the test, by default the product's own; `sky`
    says what goes wrong how often, which the seed decides otherwise.
    """
    with tempfile.TemporaryDirectory(prefix="farthing-sim-", dir=memory()) as folder, _quiet():
        world = World(seed, calls, Path(folder), gateway_line, sky)
        few = world.dice.choice((holds.MANY, holds.MANY, 2))
        with _few_sums(few), _stopped_watches(world.clock):
            world.run()
        return world.report


@contextmanager
def _quiet() -> Iterator[None]:
    """What the gateway would log of so much trouble helps nobody."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


@contextmanager
def _stopped_watches(clock: Clock) -> Iterator[None]:
    """Rows say how long our own work took: here it takes no time, so that rows are the same."""
    modules = [module for name, module in sys.modules.items() if name.startswith("farthing.")]
    watches = [module for module in modules if vars(module).get("perf_counter") is perf_counter]
    for module in watches:
        vars(module)["perf_counter"] = clock.time
    try:
        yield
    finally:
        for module in watches:
            vars(module)["perf_counter"] = perf_counter


@contextmanager
def _few_sums(most: int) -> Iterator[None]:
    """Make memory small, so that sums are forgotten and looked up again."""
    before, holds.MANY = holds.MANY, most
    try:
        yield
    finally:
        holds.MANY = before


class World:
    """What is outside the gateway, and outlives it."""

    def __init__(
        self, seed: int, calls: int, folder: Path, gateway_line: Line, sky: Weather | None
    ) -> None:
        self.report, self.line = Report(seed), gateway_line
        self.dice = dice = Random(seed)
        self.clock = Clock(dice.choice((_NOON, _NOON, _NOON, _MIDNIGHT)) + dice.random())
        drawn = weather.drawn(dice)
        self.weather = sky or drawn
        self.root = folder / "workspace"
        shutil.copytree(template().root, self.root)
        self.platter = Platter(self.root / "journal")
        self.trace = blake2b(digest_size=16)
        self.fsync: Fsync = dice.choice(("batch", "batch", "always"))
        self.rotate_bytes = dice.choice((4_000, 20_000, 1 << 24))
        self.rotate_seconds = dice.choice((0.5, 60.0))
        self.plans: dict[int, Plan] = {}
        self.waiting: dict[int, Plan] = {}  # calls that were not made yet
        self.books = Books(traffic.budgets(dice), self.plans)
        self.provider = Provider(self.clock, dice, self.weather, self.books.reached)
        self.books.provider = self.provider
        self.revoked: dict[str, float] = {}
        self.must: list[Entry] = []
        self.torn = False
        self._plan(calls)
        self._set_up()

    def run(self) -> None:
        """Gateway after gateway, until every call was made and the last one ended in peace."""
        dice, report = self.dice, self.report
        ends: list[End | None] = [dice.choice(_ENDS) for _ in range(dice.choice((0, 1, 1, 2, 3)))]
        for end in [*ends, None]:
            Process(self, end).run()
            if self.books.faults:
                break
            self.clock.seconds += dice.choice((0.05, 0.5, 2.0))
        report.faults = self.books.faults
        report.met = self.books.met
        report.seconds, report.checks = self.clock.seconds, self.books.checks
        report.attempts, report.digest = len(self.provider.made), self.trace.hexdigest()

    def tell(self, text: str) -> None:
        self.report.story.append(f"{self.clock.seconds:10.4f}  {text}")

    def again(self, plan: Plan) -> Plan | None:
        """A client tries once more, if it is one that does."""
        if plan.tries <= 1:
            return None
        made = plan.again(len(self.plans), self.clock.seconds + self.dice.choice((0.1, 0.5)))
        self._add(made)
        return made

    def over(self, caller: Caller) -> None:
        """A call has ended, for its caller at least."""
        plan, status = caller.plan, caller.status if caller.ended else 0
        self.report.answers[status] += 1
        self.tell(f"call {plan.number} ends with {status}, {len(caller.body)} bytes")
        self.trace.update(b"%d %d %b" % (plan.number, status, caller.body))

    def _add(self, plan: Plan) -> None:
        self.plans[plan.number] = self.waiting[plan.number] = plan
        self.report.calls += 1

    def _plan(self, calls: int) -> None:
        dice, sky = self.dice, self.weather
        asked = traffic.questions(dice, dice.randint(2, 8))
        span, sessions = dice.choice((0.5, 3.0, 10.0)), dice.random()
        for number in range(calls):
            left = dice.random() < sky.hang_up
            slow = dice.random() < sky.slow_caller
            self._add(
                Plan(
                    number=number,
                    at=round(dice.random() * span, 3),
                    question=dice.choice(asked),
                    holder=dice.choice(HOLDERS),
                    customer=dice.choice((None, None, *traffic.CUSTOMERS)),
                    feature=dice.choice((None, "talk", "find")),
                    session=dice.choice(traffic.SESSIONS) if dice.random() < sessions else None,
                    idempotency_key=dice.choice((None, None, None, *traffic.IDEMPOTENCY_KEYS)),
                    wish=dice.choice((None,) * 8 + (b"off", b"refresh")),
                    patience=dice.choice((0.0, 0.01, 0.12, 0.6, 2.0)) if left else None,
                    pause=dice.choice((0.001, 0.3)) if slow else 0.0,
                    stalls=dice.random() < sky.stalled_caller,
                    broken_body=dice.random() < sky.broken_body,
                    tries=dice.choice((1, 1, 3)),
                )
            )

    def _set_up(self) -> None:
        state = State.open(self.root)
        with state.changing() as change:
            for cap in self.books.caps.values():
                budgets.put(change, cap.budget, "cli", BY)
            if text := self.dice.choice(POLICIES):
                versions.put(change, text, BY, "to begin with")
        state.close()
