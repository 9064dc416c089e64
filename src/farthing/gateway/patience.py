"""Cut off callers who take forever over a request's head, or for the next; calls pay nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Protocol, TypeVar

HEAD_SECONDS = 10.0  # for the head of a request, and for the first one to begin
IDLE_SECONDS = 60.0  # between two calls: longer than clients keep theirs, so that they close first
HURRIED_SECONDS = 2.0  # all of these while there are too many
LOOK_SECONDS = 1.0


class Owing(Protocol):
    """A connection, as far as somebody has to wait for its head."""

    def owes(self) -> tuple[object, float] | None:
        """The head that it owes us, and the seconds it has; None: it owes none.

        The head is the same object while it is the same one.
        """
        ...

    def cut(self) -> None:
        """Say that it took too long, and close it."""
        ...


C = TypeVar("C", bound=Owing)


class Patience:
    """Looks at every connection once a second, in place of a timer for each."""

    def __init__(self, connections: Collection[C], many: int) -> None:
        self._connections: Collection[Owing] = connections
        self._many = many  # from so many connections on, idle ones have less time
        self._since: dict[Owing, tuple[object, float]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(LOOK_SECONDS, self._look_again)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def look(self, now: float) -> None:
        before, self._since = self._since, {}
        hurry = len(self._connections) >= self._many
        for connection in tuple(self._connections):
            owed = connection.owes()
            if owed is None:
                continue
            head, seconds = owed
            known, since = before.get(connection, (None, now))
            if known is not head:
                since = now
            if now - since >= (HURRIED_SECONDS if hurry else seconds):
                connection.cut()
            else:
                self._since[connection] = head, since

    def _look_again(self) -> None:
        self.look(asyncio.get_running_loop().time())
        self.start()
