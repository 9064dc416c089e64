"""The answers on disk as one thread sees them: opened, purged, repaired, never in a call's way."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from importlib import import_module
from pathlib import Path
from typing import TypeVar

from farthing.domain.errors import Unavailable
from farthing.gateway import cachefile
from farthing.gateway.cachefile import ASIDE, FILE, CacheFile, Sealed
from farthing.gateway.memory import Kept
from farthing.gateway.presence import Presence
from farthing.gateway.purges import Purge

_log = logging.getLogger(__name__)

AGAIN_SECONDS = 10.0  # until a file that could not be used is tried again
SWEEP_SECONDS = 60.0  # how often what has expired is cleared away

T = TypeVar("T")


def purge_file(root: Path, purge: Purge) -> None:
    """Carry out a purge where no gateway runs; a file that cannot be read goes whole."""
    try:
        if (root / FILE).exists():
            with closing(CacheFile.open(root)) as file:
                file.purge(purge)
        (root / ASIDE).unlink(missing_ok=True)
    except sqlite3.Error as error:
        if not cachefile.is_useless(error):
            raise Unavailable(
                f"{root / FILE} cannot be changed now ({error}). The purge is noted, and the "
                "gateway carries it out before it reads the file; or run the command again."
            ) from error
        cachefile.remove(root)


class Cellar:
    """Nothing here raises for the file's sake: without it, nothing is found and nothing kept.

    All methods belong to one thread; `present` may be read by any.
    """

    def __init__(self, root: Path, now: Callable[[], float] = time.time) -> None:
        self._root, self._now = root, now
        self._file: CacheFile | None = None
        self._max_bytes = 0
        self.present: Presence | None = None  # None: there is nothing to be found
        self._owed: list[tuple[int, Purge]] = []
        self._newest = 0  # of the purges
        self._again = 0.0
        self._told: str | None = None
        self._swept = 0.0

    def limit(self, max_bytes: int) -> None:
        """How much may be kept. 0: none, and what there is goes."""
        self._max_bytes = max_bytes
        if max_bytes:
            self._at(self._fit)
            self._at(CacheFile.shrink)
            return
        self._close()
        with suppress(OSError):
            cachefile.remove(self._root)

    def owe(self, purges: list[tuple[int, Purge]]) -> None:
        """Carry out purges now, or before anything else is read once that is possible."""
        self._owed += purges
        self._newest = max([self._newest, *(number for number, _ in purges)])
        self._at(lambda _: None)

    def read(self, place: bytes, secret: bytes) -> Kept | None:
        return self._at(lambda file: self._read(file, place, secret))

    def write(self, answers: Mapping[bytes, tuple[bytes, Kept]], hits: Mapping[bytes, int]) -> None:
        """Each answer by its place, with its secret; and how often which was served."""
        self._at(lambda file: self._write(file, answers, hits))

    def close(self) -> None:
        self._close()

    def _at(self, job: Callable[[CacheFile], T]) -> T | None:
        if not self._max_bytes or time.monotonic() < self._again:
            return None
        try:
            done = job(self._ready())
        except (sqlite3.Error, OSError, ImportError) as error:
            self._in_trouble(error)
            return None
        self._told = None
        return done

    def _ready(self) -> CacheFile:
        file = self._file
        if file is None:
            import_module("farthing.gateway.sealing")  # rather now than in the midst of calls
            file = self._file = CacheFile.open(self._root)
            if file.purged > self._newest:  # it followed another state.db, whose purges we lack
                file.purge(Purge())
                file.carried_out(self._newest)
            elif file.empty:
                file.carried_out(self._newest)
        if self._owed:
            self._purge(file)
        if self.present is None:
            file.sweep(self._now())
            self.present = Presence(file.places())
        return file

    def _purge(self, file: CacheFile) -> None:
        done = file.purged
        for number, purge in self._owed:
            if number > done:
                file.purge(purge)
                file.carried_out(number)
        (self._root / ASIDE).unlink(missing_ok=True)  # nobody can say what it holds
        self._owed = []
        self.present = None

    def _read(self, file: CacheFile, place: bytes, secret: bytes) -> Kept | None:
        from farthing.gateway import sealing  # its library is large, and many never need it

        sealed = file.read(place)
        kept = None if sealed is None else sealing.opened(secret, place, sealed)
        if sealed is not None and kept is None:
            file.drop(place)
            self._gone([place])
        return kept

    def _write(
        self,
        file: CacheFile,
        answers: Mapping[bytes, tuple[bytes, Kept]],
        hits: Mapping[bytes, int],
    ) -> None:
        from farthing.gateway import sealing

        sealed = [
            Sealed(place, kept.whose, kept.until, kept.pico, sealing.seal(secret, place, kept))
            for place, (secret, kept) in answers.items()
            if kept.size < self._max_bytes
        ]
        for place in file.write(sealed):
            if self.present is not None:
                self.present.add(place)
        file.hit(hits)
        self._fit(file)

    def _fit(self, file: CacheFile) -> None:
        now = self._now()
        if now > self._swept + SWEEP_SECONDS:
            self._gone(file.sweep(now))
            self._swept = now
        self._gone(file.fit(self._max_bytes))

    def _gone(self, places: list[bytes]) -> None:
        for place in places:
            if self.present is not None:
                self.present.drop(place)

    def _in_trouble(self, error: Exception) -> None:
        self._close()
        if isinstance(error, sqlite3.Error) and cachefile.is_useless(error):
            with suppress(OSError):
                cachefile.set_aside(self._root)
            text = f"It was set aside as {ASIDE}, and a new one begins."
        else:
            self._again = time.monotonic() + AGAIN_SECONDS
            text = "Answers are kept in memory alone until it can be."
        if text != self._told:
            _log.warning("%s cannot be used (%s). %s", self._root / FILE, error, text)
        self._told = text

    def _close(self) -> None:
        self.present = None
        if self._file is not None:
            with suppress(sqlite3.Error):
                self._file.close()
            self._file = None
