"""Bugs to plant in the gateway: each breaks one promise, as somebody might by mistake."""

from __future__ import annotations

from types import MethodType

import pytest

from farthing import app
from farthing.access.keyring import Keyring
from farthing.budgets.holds import Hold as Held
from farthing.budgets.holds import Holds, Sum
from farthing.gateway import keeper
from farthing.gateway.bookkeeper import Bookkeeper
from farthing.gateway.recording import Recording
from farthing.gateway.restore import Checkpoints, restore
from farthing.gateway.stages.hold import Hold
from farthing.gateway.stages.meter import Metering
from farthing.gateway.stages.scope import Scope
from farthing.gateway.stages.settle import Settle
from farthing.ledger import journal
from farthing.ledger.journal import Journal
from farthing.policy.rules import cache
from farthing.testing.sim import Weather


def a_hold_that_does_not_count(plant: pytest.MonkeyPatch) -> None:
    def try_take(holds, sums, amount):
        if any(each.budget.hard and amount > each.limit - each.settled for each in sums):
            return None
        for each in sums:
            each.held += amount
            each.open += 1
        return Held(sums, amount)

    real = app.line

    def line(live):
        live.holds.try_take = MethodType(try_take, live.holds)
        return real(live)

    plant.setattr(app, "line", line)


def a_hold_that_is_never_released(plant: pytest.MonkeyPatch) -> None:
    class Leaking(Settle):
        def _book(self, x, attempt, done):
            if done.status == "error":
                attempt.hold = None
            super()._book(x, attempt, done)

    plant.setattr(app, "Settle", Leaking)


def a_settlement_that_is_skipped(plant: pytest.MonkeyPatch) -> None:
    class Forgetful(Settle):
        def _book(self, x, attempt, done):
            if done.status == "cancelled":
                attempt.open = False
            super()._book(x, attempt, done)

    plant.setattr(app, "Settle", Forgetful)


def a_settlement_that_is_made_twice(plant: pytest.MonkeyPatch) -> None:
    class Eager(Settle):
        def _book(self, x, attempt, done):
            was_open = attempt.open
            super()._book(x, attempt, done)
            if was_open and "estimated" in done.flags:
                attempt.open = True
                super()._book(x, attempt, done)

    plant.setattr(app, "Settle", Eager)


def an_estimate_where_the_hold_was_due(plant: pytest.MonkeyPatch) -> None:
    class Cheap(Settle):
        def gave_up(self, x, attempt, status):
            self.cost_nothing(x, attempt, "gave_up")

    plant.setattr(app, "Settle", Cheap)


def bytes_that_leave_before_the_intent(plant: pytest.MonkeyPatch) -> None:
    class Hasty(Hold):
        def _intend(self, x, attempt, *_, **__):
            attempt.open = x.booked = True

    plant.setattr(app, "Hold", Hasty)


def a_cache_key_without_the_tenant(plant: pytest.MonkeyPatch) -> None:
    class Shared(Scope):
        async def __call__(self, x, rest):
            async def on(x):
                x.tenant = "everybody"
                await rest(x)

            await super().__call__(x, on)

    plant.setattr(app, "Scope", Shared)


def a_cache_key_without_the_question(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(cache, "_canonical", lambda *_: b"")


def an_answer_that_is_changed_on_its_way(plant: pytest.MonkeyPatch) -> None:
    class Loud(Metering):
        async def _collected(self, x, answer, body):
            await super()._collected(x, answer, body.upper())

    plant.setattr(app, "Metering", Loud)


def a_lost_state_store_that_nobody_minds(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(keeper, "PATIENCE_SECONDS", 1e9)


def a_revoked_key_that_opens_on(plant: pytest.MonkeyPatch) -> None:
    class Old:
        load = staticmethod(lambda state: first.setdefault(id(state), Keyring.load(state)))

    first: dict[int, Keyring] = {}
    plant.setattr(keeper, "Keyring", Old)


def a_restart_that_counts_twice(plant: pytest.MonkeyPatch) -> None:
    def twice(*given):
        restore(*given)
        return restore(*given)

    plant.setattr(app, "restore", twice)


def a_restart_that_counts_nothing(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(app, "restore", lambda *_: {})


def an_adoption_that_forgets_open_intents(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(journal, "_open_intents", lambda *_: [])


def a_checkpoint_that_does_not_sync_the_journal(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(Journal, "sync", lambda _: None)


def a_dead_set_that_is_not_synced(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(journal, "sync_path", lambda *_: None)


def a_follower_that_waits_for_ever(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(Recording, "end", lambda *_, **__: None)


def a_failed_checkpoint_that_is_not_written_again(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(Checkpoints, "failed", lambda *_: None)


def a_raw_error_of_the_disk(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(Journal, "_sync_at_once", lambda self: self._disk.sync(self._file))


def a_soft_budget_that_refuses(plant: pytest.MonkeyPatch) -> None:
    def begun(self, budget, place, until, **_):
        return Sum(budget, place, until, self._store.kept(place))

    plant.setattr(Holds, "_begun", begun)


def a_settlement_that_is_forgotten_while_the_disk_is_full(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(Bookkeeper, "catch_up", lambda _: None)
    plant.setattr(Bookkeeper, "_catch_up", lambda self: self._kept.clear())


def a_follower_that_is_cut_off_and_not_told(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(Recording, "cut", property(lambda _: False, lambda *_: None), raising=False)


# Each with what the simulation says of it.
BUGS = {
    a_hold_that_does_not_count: "past its limit",
    a_hold_that_is_never_released: "right is",
    a_settlement_that_is_skipped: "right is",
    a_settlement_that_is_made_twice: "was booked twice",
    an_estimate_where_the_hold_was_due: "under a hard budget",
    bytes_that_leave_before_the_intent: "reached the provider without an intent",
    a_cache_key_without_the_tenant: "got an answer of",
    a_cache_key_without_the_question: "got an answer to another question",
    an_answer_that_is_changed_on_its_way: "got other bytes",
    a_lost_state_store_that_nobody_minds: "without a state store",
    a_revoked_key_that_opens_on: "used a key revoked",
    a_restart_that_counts_twice: "after the restart",
    a_restart_that_counts_nothing: "after the restart",
    an_adoption_that_forgets_open_intents: "has no row after the restart",
    a_checkpoint_that_does_not_sync_the_journal: "after the restart",
    a_dead_set_that_is_not_synced: "its intent is not in the journal",
    a_follower_that_waits_for_ever: "no end",
    a_failed_checkpoint_that_is_not_written_again: "after the restart",
    a_raw_error_of_the_disk: "met OSError",
    a_soft_budget_that_refuses: "without a hard budget",
    a_settlement_that_is_forgotten_while_the_disk_is_full: "after the restart",
}

# Those that need callers of a kind that is rare: they stop reading, and others share their answers.
RARE = {a_follower_that_is_cut_off_and_not_told: "got other bytes"}
STALLED = Weather(stalled_caller=0.3, drip=0.3)
