"""An event loop on a virtual clock: nothing in it but callbacks, timers and a seeded order."""

from __future__ import annotations

import asyncio
from asyncio import events
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Executor
from contextvars import Context
from heapq import heappop, heappush
from random import Random
from typing import Any, TypeVar, TypeVarTuple

from farthing.testing.sim.disk import Killed

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")
_Job = tuple[Callable[..., Any], tuple[Any, ...], "asyncio.Future[Any]"]


class Clock:
    """Seconds that pass only when nothing is left to do, or when somebody takes his time."""

    __slots__ = ("epoch", "seconds")

    def __init__(self, epoch: float) -> None:
        self.epoch, self.seconds = epoch, 0.0

    def time(self) -> float:
        return self.seconds

    def now(self) -> float:
        """Seconds since 1970, as `time.time` has them."""
        return self.epoch + self.seconds


class SimLoop(asyncio.AbstractEventLoop):
    """One process's loop. `step` runs one callback; threads and sockets there are none.

    `shuffle` is how often a task that is ready overtakes others. Plain callbacks are never
    overtaken and never overtake: asyncio promises their order, and its own parts rely on it.
    """

    def __init__(self, clock: Clock, dice: Random, shuffle: float = 0.0) -> None:
        self._clock, self._dice, self._shuffle = clock, dice, shuffle
        self._ready: list[asyncio.Handle] = []
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._number = 0
        self._jobs: dict[Executor | None, list[_Job]] = {}
        self.over = False  # the process is dead: whatever still stirs in it does nothing
        self.faults: list[str] = []  # what nobody caught

    def step(self) -> bool:
        """Run the next callback; False where nothing is left to do, ever."""
        ready, timers, clock = self._ready, self._timers, self._clock
        while not ready:
            if not timers:
                return False
            if timers[0][0] > clock.seconds:
                if timers[0][2].cancelled():
                    heappop(timers)
                    continue
                clock.seconds = timers[0][0]
            self._due()
        if timers and timers[0][0] <= clock.seconds:
            self._due()
        handle = ready.pop(self._next() if len(ready) > 1 else 0)
        if not handle.cancelled():
            handle._run()
        return True

    def _due(self) -> None:
        timers, seconds = self._timers, self._clock.seconds
        while timers and timers[0][0] <= seconds:
            handle = heappop(timers)[2]
            if not handle.cancelled():
                self._ready.append(handle)

    def _next(self) -> int:
        if not self._shuffle or self._dice.random() >= self._shuffle:
            return 0
        tasks = 0
        for handle in self._ready:
            if not _of_a_task(handle):
                break
            tasks += 1
        return self._dice.randrange(tasks) if tasks > 1 else 0

    def time(self) -> float:
        return self._clock.seconds

    def call_soon(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        if not self.over:
            self._ready.append(handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self,
        delay: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self._clock.seconds + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        if not self.over:
            self._number += 1
            heappush(self._timers, (when, self._number, handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is thrown away when its turn comes."""

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Coroutine[Any, Any, _T] | Generator[Any, None, _T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[_T]:
        return asyncio.Task(coro, loop=self, name=name or "sim", context=context)

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*_Ts], _T], *args: *_Ts
    ) -> asyncio.Future[_T]:
        """Beside the loop, as one thread would: later, in order, whether or not anybody waits.

        What is cancelled before its thread has begun is sometimes never done at all.
        """
        future = self.create_future()
        jobs = self._jobs.setdefault(executor, [])
        jobs.append((func, args, future))
        self.call_later(self._dice.choice((0.0, 0.0, 0.001, 0.3)), self._work, jobs)
        return future

    def _work(self, jobs: list[_Job]) -> None:
        func, args, future = jobs.pop(0)
        if future.cancelled() and self._dice.random() < 0.5:  # noqa: PLR2004  one of both
            return
        try:
            made = func(*args)
        except Exception as error:  # noqa: BLE001  whoever awaits it gets it
            if not future.cancelled():
                future.set_exception(error)
        else:
            if not future.cancelled():
                future.set_result(made)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not self.over and not isinstance(error, Killed):
            self.faults.append(f"{context.get('message')}: {error!r}")

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return not self.over

    def is_closed(self) -> bool:
        return self.over

    def bury(self) -> None:
        """Drop every task where it stands, as a killed process does."""
        self.over = True
        for task in asyncio.all_tasks(self):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            coroutine = task.get_coro()
            try:
                assert coroutine is not None
                coroutine.close()
            except BaseException:  # noqa: BLE001, S110, RUF100  the dead cannot complain
                pass
        self._ready.clear()
        self._timers.clear()

    def __enter__(self) -> SimLoop:
        events._set_running_loop(self)
        return self

    def __exit__(self, *_: object) -> None:
        events._set_running_loop(None)


def _of_a_task(handle: asyncio.Handle) -> bool:
    """Whether it is a task's next step, and nothing else."""
    callback = handle._callback  # type: ignore[attr-defined]  # asyncio's own, and documented nowhere
    return isinstance(getattr(callback, "__self__", None), asyncio.Task)
