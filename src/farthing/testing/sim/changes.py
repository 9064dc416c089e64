"""What happens to a gateway from outside while it serves: its rules change, its machine fails."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from farthing.access import store as keys
from farthing.budgets import store as budgets
from farthing.domain.money import Money
from farthing.ledger.state import State
from farthing.policy import versions
from farthing.testing.sim.ground import BY
from farthing.testing.sim.traffic import HOLDERS, LIMITS, POLICIES

if TYPE_CHECKING:
    from farthing.testing.sim.life import Process

_MOST = 6  # changes in one life
_WITHIN = 6.0  # virtual seconds


def schedule(process: Process) -> None:
    """Draw what will happen, and when."""
    dice = process.world.dice
    for _ in range(dice.randint(0, _MOST)):
        change = dice.choice(CHANGES)
        process.loop.call_later(dice.random() * _WITHIN, partial(change, process))


def _limit(process: Process) -> None:
    """A budget is raised or lowered."""
    world = process.world
    name = world.dice.choice(sorted(world.books.caps))
    limit = Money.of(world.dice.choice(LIMITS))
    budget = msgspec.structs.replace(world.books.caps[name].budget, limit=limit)
    world.tell(f"budget {name} is set to ${limit}")
    state = State.open(world.root)
    with state.changing() as change:
        budgets.put(change, budget, "cli", BY)
    state.close()


def _lift(process: Process) -> None:
    world = process.world
    name = world.dice.choice(sorted(world.books.caps))
    world.tell(f"budget {name} is lifted")
    state = State.open(world.root)
    with state.changing() as change:
        budgets.lift(change, name, BY)
    state.close()
    world.books.lift(name)


def _revoke(process: Process) -> None:
    world = process.world
    holder = world.dice.choice(HOLDERS)
    if holder.id in world.revoked:
        return
    world.tell(f"{holder.id} is revoked")
    state = State.open(world.root)
    with state.changing() as change:
        keys.revoke(change, holder.id, BY)
    state.close()
    world.revoked[holder.id] = world.clock.seconds


def _policy(process: Process) -> None:
    world = process.world
    text = world.dice.choice(POLICIES)
    world.tell(f"another policy is set: {text!r}")
    state = State.open(world.root)
    with state.changing() as change:
        versions.put(change, text, BY, "a change of mind")
    state.close()


def _full(process: Process) -> None:
    """The disk has no room for a while."""
    world = process.world
    seconds = world.dice.choice((0.05, 0.5, 3.0))
    world.tell(f"the disk is full for {seconds} s")
    process.disk.full = process.disk.troubled = True
    process.loop.call_later(seconds, setattr, process.disk, "full", False)  # noqa: FBT003


def _broken(process: Process) -> None:
    """The disk fails to sync for a while."""
    world = process.world
    seconds = world.dice.choice((0.02, 1.0))
    world.tell(f"the disk fails for {seconds} s")
    process.disk.broken = process.disk.troubled = True
    process.loop.call_later(seconds, setattr, process.disk, "broken", False)  # noqa: FBT003


def _lost(process: Process) -> None:
    """state.db is out of reach for a while."""
    world, store = process.world, process.store
    seconds = world.dice.choice((0.2, 2.0, 12.0, 12.0))
    if store.lost_since is None:
        world.tell(f"the state store is lost for {seconds} s")
        store.lose()
        process.loop.call_later(seconds, store.find)


CHANGES: tuple[Callable[[Process], None], ...] = (
    _limit, _limit, _lift, _revoke, _policy, _policy, _full, _lost, _lost, _broken,
)  # fmt: skip
