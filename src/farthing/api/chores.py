"""Work in the background: one job at a time, in one thread, again and again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from farthing.domain.errors import FarthingError

LONGEST_WAIT = 60.0  # seconds between two tries of what fails

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Chore:
    """What is to be done, and how many seconds after it was done."""

    name: str
    every: float
    work: Callable[[], object]


@dataclass(slots=True)
class Run:
    """How a chore went last."""

    done_at: datetime | None = None  # when it last succeeded
    failed_at: datetime | None = None
    error: str | None = None  # why it does not succeed, while that is so
    runs: int = 0
    failures: int = 0
    due: float = 0.0
    failed_in_a_row: int = 0


class Chores:
    """They take turns, so that no two ever wait for each other's locks."""

    def __init__(self, chores: Sequence[Chore]) -> None:
        self._chores = tuple(chores)
        self.runs = {each.name: Run() for each in chores}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="chores")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Begin nothing more, and wait for the job that is at work."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.to_thread(self._thread.shutdown)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            chore = min(self._chores, key=lambda each: self.runs[each.name].due)
            run = self.runs[chore.name]
            await asyncio.sleep(max(0.0, run.due - loop.time()))
            error = await loop.run_in_executor(self._thread, _attempt, chore)
            self._note(chore, run, error)
            run.due = loop.time() + _pause(chore, run)

    def _note(self, chore: Chore, run: Run, error: Exception | None) -> None:
        """Say it once, not at every try."""
        run.runs += 1
        if error is None:
            if run.error is not None:
                _log.info("chore works again", extra={"chore": chore.name})
            run.done_at, run.error, run.failed_in_a_row = _now(), None, 0
            return
        said = f"{type(error).__name__}: {error}"
        if said != run.error:
            known = isinstance(error, FarthingError)  # its words are enough
            extra = {"chore": chore.name, **({"error": str(error)} if known else {})}
            _log.error("chore failed", extra=extra, exc_info=None if known else error)
        run.failed_at, run.error = _now(), said
        run.failures += 1
        run.failed_in_a_row += 1


class Lanes:
    """Several threads of chores: what waits for somebody else holds up only its own."""

    def __init__(self, *lanes: Sequence[Chore]) -> None:
        self._lanes = [Chores(lane) for lane in lanes]

    @property
    def runs(self) -> dict[str, Run]:
        return {name: run for lane in self._lanes for name, run in lane.runs.items()}

    def start(self) -> None:
        for lane in self._lanes:
            lane.start()

    async def stop(self) -> None:
        await asyncio.gather(*(lane.stop() for lane in self._lanes))


def _attempt(chore: Chore) -> Exception | None:
    try:
        chore.work()
    except Exception as error:  # noqa: BLE001  whatever it is, the next try may succeed
        return error
    return None


def _pause(chore: Chore, run: Run) -> float:
    if not run.failed_in_a_row:
        return chore.every
    return min(max(chore.every, LONGEST_WAIT), chore.every * 2.0 ** min(run.failed_in_a_row, 10))


def _now() -> datetime:
    return datetime.now(UTC)
