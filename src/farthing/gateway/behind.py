"""Write answers to disk behind the calls' backs, in batches, in one thread; read them there, too.

A reading waits in the same thread as the writing: a file has one user, which keeps its state
simple, and a batch takes milliseconds. No call waits longer than `READ_SECONDS` for it; and while
one reading is late, no other call waits at all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from farthing.gateway.cellar import Cellar
from farthing.gateway.memory import Kept
from farthing.gateway.purges import Purge

FLUSH_SECONDS = 0.5  # what a kill may cost
READ_SECONDS = 0.1
OPEN_SECONDS = 5.0
MOST_WAITING = 8 << 20  # bytes; what comes while so much waits is kept in memory alone
_PLACE = 16


class Behind:
    """Belongs to the loop; what is done to the file is done in the thread, in order."""

    def __init__(self, root: Path, now: Callable[[], float] = time.time) -> None:
        self._cellar = Cellar(root, now)
        self._thread = ThreadPoolExecutor(1, "farthing-cache")
        self._max_bytes: int | None = None
        self._waiting: dict[bytes, tuple[bytes, Kept]] = {}
        self._waiting_bytes = 0
        self._hits: dict[bytes, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Future[Any] | None = None
        self._last: asyncio.Future[Any] | None = None
        self._late = False

    @property
    def on(self) -> bool:
        return bool(self._max_bytes)

    def __contains__(self, key: bytes) -> bool:
        """Whether it may be there; then it is worth a reading."""
        present = self._cellar.present
        return present is not None and key[:_PLACE] in present and not self._late

    def limit(self, max_bytes: int) -> None:
        """How much the disk may hold; 0 removes what it holds."""
        if max_bytes == self._max_bytes:
            return
        self._max_bytes = max_bytes
        if not max_bytes:
            self._waiting, self._waiting_bytes, self._hits = {}, 0, {}
        self._do(self._cellar.limit, max_bytes)

    async def ready(self) -> None:
        """Wait until what was ordered so far is done, but not for ever."""
        if self._last is not None:
            await asyncio.wait((self._last,), timeout=OPEN_SECONDS)

    def offer(self, key: bytes, secret: bytes, kept: Kept) -> None:
        """Keep an answer. `secret` opens it again."""
        if self._waiting_bytes > MOST_WAITING:
            return
        self._waiting[key[:_PLACE]] = secret, kept
        self._waiting_bytes += kept.size
        self._flush_later()

    def served(self, key: bytes) -> None:
        """It was answered from memory, and is worth the more here."""
        place = key[:_PLACE]
        self._hits[place] = self._hits.get(place, 0) + 1
        self._flush_later()

    async def read(self, key: bytes, secret: bytes) -> Kept | None:
        job: asyncio.Future[Kept | None] = self._do(self._cellar.read, key[:_PLACE], secret)
        done, _ = await asyncio.wait((job,), timeout=READ_SECONDS)
        if done:
            return job.result()
        self._late = True
        job.add_done_callback(self._in_time_again)
        return None

    def purge(self, purges: list[tuple[int, Purge]]) -> None:
        """Forget what waits, and then what is written: the thread does all in order."""
        for _, purge in purges:
            covered = [p for p, (_, kept) in self._waiting.items() if purge.covers(kept.whose)]
            for place in covered:
                del self._waiting[place]
        self._do(self._cellar.owe, purges)

    async def close(self) -> None:
        """Write what waits, if the disk takes it soon."""
        self._max_bytes = 0
        if self._timer is not None:
            self._timer.cancel()
        self._write()
        self._do(self._cellar.close)
        await self.ready()
        self._thread.shutdown(wait=False)

    def _flush_later(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(FLUSH_SECONDS, self._flush)

    def _flush(self) -> None:
        self._timer = None
        if self._writing is not None and not self._writing.done():
            self._flush_later()
            return
        self._write()

    def _write(self) -> None:
        self._writing = self._do(self._cellar.write, self._waiting, self._hits)
        self._waiting, self._waiting_bytes, self._hits = {}, 0, {}

    def _in_time_again(self, _: object) -> None:
        self._late = False

    def _do(self, what: Callable[..., Any], *given: Any) -> asyncio.Future[Any]:
        self._last = asyncio.get_running_loop().run_in_executor(self._thread, what, *given)
        return self._last
