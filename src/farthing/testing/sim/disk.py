"""A disk that loses what disks lose: un-synced bytes, names of new files, room, and its temper."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from farthing.testing.sim.loop import SimLoop
    from farthing.testing.sim.world import World


class Killed(BaseException):
    """The process dies here; nobody may catch it."""


class Life:
    """How long a process has: it dies at one of its effects on the world outside it."""

    def __init__(self, dice: Random, effects: int | None) -> None:
        self._dice, self._left = dice, effects
        self.dead = False
        self.over = False  # buried: what still moves has no effect

    def spend(self) -> bool:
        """One effect. Raises Killed where it does not happen any more; True: it is the last."""
        if self.over:
            return False
        if self.dead:
            raise Killed
        if self._left is None:
            return False
        self._left -= 1
        if self._left > 0:
            return False
        self.dead = True
        if self._dice.random() < 0.5:  # noqa: PLR2004  died before it, or after
            raise Killed
        return True

    def end(self, *, last: bool) -> None:
        if last:
            raise Killed


class Platter:
    """What survives its processes, and what of it survives a power cut.

    The files are real, in a folder of one simulation. Names and sizes that were synced are kept
    beside them, by inode: a folder may be renamed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sizes: dict[int, int] = {}
        self.names: dict[int, dict[str, int]] = {}

    def synced(self, path: Path) -> None:
        """A folder's entries are safe now."""
        self.names[path.stat().st_ino] = {entry.name: entry.inode() for entry in os.scandir(path)}

    def durable(self) -> list[tuple[Path, int]]:
        """Every segment that a power cut leaves, and how many bytes of it at least."""
        return [
            (path, self.sizes.get(path.stat().st_ino, 0))
            for path in sorted(self.folder.glob("*/*.ndjson"))
            if self._safe(path.parent) and self._safe(path)
        ]

    def lose(self, dice: Random) -> None:
        """The power goes: what was not synced is lost, or torn, or there by luck."""
        for folder in sorted(self.folder.iterdir()):
            if not self._safe(folder) and dice.random() < 0.5:  # noqa: PLR2004
                shutil.rmtree(folder)
                continue
            for file in sorted(folder.iterdir()):
                if not self._safe(file) and dice.random() < 0.5:  # noqa: PLR2004
                    file.unlink()
                elif file.suffix:
                    self._tear(file, dice)
            self.synced(folder)
        self.synced(self.folder)

    def _safe(self, path: Path) -> bool:
        names = self.names.get(path.parent.stat().st_ino, {})
        return names.get(path.name) == path.stat().st_ino

    def _tear(self, file: Path, dice: Random) -> None:
        found = file.stat()
        safe = min(self.sizes.get(found.st_ino, 0), found.st_size)
        kept = dice.randint(safe, found.st_size)
        os.truncate(file, kept)
        if kept - safe > 1 and dice.random() < 0.3:  # noqa: PLR2004  blocks arrive in any order
            hole = dice.randint(safe, kept - 1)
            with file.open("r+b") as torn:
                torn.seek(hole)
                torn.write(b"\0" * dice.randint(1, kept - hole))
        self.sizes[found.st_ino] = kept


class SimDisk:
    """The platter as one process sees it. `full` and `broken` are set from outside."""

    def __init__(self, platter: Platter, life: Life, loop: SimLoop, world: World) -> None:
        self._platter, self._life, self._loop = platter, life, loop
        self._weather, self._clock = world.weather, world.clock
        self._dice, self._trace = world.dice, world.trace
        self.full = self.broken = False
        self.troubled = False  # it ever was one of these
        self._half = False  # of a full disk: it took a part already
        self._opened: list[tuple[int, int]] = []
        self._folders: dict[int, Path] = {}
        self._work: Callable[[], None] | None = None
        self._seconds = 0.0
        self._ticking = False

    def open(self, path: Path, flags: int) -> int:
        last = self._life.spend()
        if self.full and flags & os.O_CREAT and not path.exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        file = os.open(path, flags, 0o666)
        found = os.fstat(file)
        if stat.S_ISDIR(found.st_mode):
            self._folders[file] = path
        else:
            self._opened.append((file, found.st_ino))
            if not found.st_size:
                self._platter.sizes[found.st_ino] = 0
        self._life.end(last=last)
        return file

    def write(self, file: int, line: bytes, /) -> int:
        life = self._life
        if life.over:
            return len(line)
        last = life.spend()
        if self.full and line:
            line = self._as_fits(line)
        elif line and self._dice.random() < self._weather.short_writes:
            line = line[: self._dice.randint(1, len(line))]
        self._clock.seconds += self._weather.write_seconds
        written = os.write(file, line)
        self._trace.update(line)
        self._soon()
        life.end(last=last)
        return written

    def _as_fits(self, line: bytes) -> bytes:
        """Half of it, and nothing of the rest."""
        self._half = not self._half
        if not self._half:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return line[: max(len(line) // 2, 1)]

    def sync(self, file: int) -> None:
        if self._life.over:
            return
        last = self._life.spend()
        if self.broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        found = os.fstat(file)
        if stat.S_ISDIR(found.st_mode):
            self._platter.synced(self._folders[file])
        else:
            self._platter.sizes[found.st_ino] = found.st_size
        self._life.end(last=last)

    def repeat(self, seconds: float, work: Callable[[], None]) -> Callable[[], None]:
        """There is work only after a write, so that is when the next time is set."""
        self._seconds, self._work = seconds, work
        return self._stop

    def _stop(self) -> None:
        self._work = None

    def _soon(self) -> None:
        if not self._ticking and self._work is not None:
            self._ticking = True
            late = self._weather.sync_seconds * self._dice.random()
            self._loop.call_later(self._seconds + late, self._tick)

    def _tick(self) -> None:
        self._ticking = False
        if self._work is not None and not self._life.over:
            self._work()

    def abandon(self) -> None:
        """Let go of every file, and with them of every lock, as the system does for the dead."""
        for file, inode in self._opened:
            with suppress(OSError):  # closed long ago, or another's number by now
                if os.fstat(file).st_ino == inode:
                    os.close(file)
