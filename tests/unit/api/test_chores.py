"""Chores take turns, and one that fails is tried again."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest

from farthing.api.chores import Chore, Chores
from farthing.domain.errors import Unavailable


async def test_no_two_run_at_once() -> None:
    at_work, met, done = 0, 0, {"a": 0, "b": 0}

    def work(name: str) -> None:
        nonlocal at_work, met
        at_work += 1
        met = max(met, at_work)
        time.sleep(0.005)
        at_work -= 1
        done[name] += 1

    chores = Chores([Chore("a", 0.001, lambda: work("a")), Chore("b", 0.002, lambda: work("b"))])
    chores.start()
    while min(done.values()) < 5:
        await asyncio.sleep(0.01)
    await chores.stop()
    assert met == 1


async def test_a_failure_is_said_once_and_the_chore_goes_on(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # import-linter, in another test, may have switched every logger off.
    monkeypatch.setattr(logging.getLogger("farthing.api.chores"), "disabled", False)
    left = 3

    def work() -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            raise OSError("no disk")

    caplog.set_level(logging.INFO)
    chores = Chores([Chore("a", 0.005, work)])
    chores.start()
    run = chores.runs["a"]
    while run.done_at is None:
        await asyncio.sleep(0.01)
    await chores.stop()
    assert [each.message for each in caplog.records] == ["chore failed", "chore works again"]
    assert (run.failures, run.error) == (3, None)
    assert run.failed_at is not None


async def test_what_has_words_of_its_own_is_told_without_a_traceback(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("farthing.api.chores"), "disabled", False)

    def work() -> None:
        raise Unavailable("The collector is away.")

    chores = Chores([Chore("a", 0.005, work)])
    chores.start()
    while not chores.runs["a"].failures:
        await asyncio.sleep(0.01)
    await chores.stop()
    (said,) = caplog.records
    assert (said.exc_info, vars(said)["error"]) == (None, "The collector is away.")


async def test_a_stop_waits_for_the_job_that_is_at_work() -> None:
    done = []

    def work() -> None:
        time.sleep(0.1)
        done.append(1)

    chores = Chores([Chore("a", 9.0, work)])
    chores.start()
    await asyncio.sleep(0.02)
    await chores.stop()
    assert done == [1]
