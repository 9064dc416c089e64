"""cache.db: sealed answers on disk, bounded in bytes; what saves most dollars a byte stays longest.

SQLite in WAL mode. A power cut may cost the last answers, and no more: each is sealed as a whole.
In the clear is only what a purge and an eviction go by: whose an answer is, size, cost and end.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from farthing.gateway.purges import Purge, Whose
from farthing.policy.rules.eviction import worth

FILE, ASIDE = "cache.db", "cache.db.aside"
PATIENCE_SECONDS = 1.0  # for a lock that somebody else has
OVERHEAD = 400  # bytes that an answer takes beside its sealed text: two rows and three indexes
_OURS, _VERSION = 0x66746361, 1
_BESIDE = (f"{FILE}-wal", f"{FILE}-shm")
_STEP = 64  # answers that are looked at together when some have to go
_USELESS = {
    sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT,
    sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_SCHEMA,
}  # fmt: skip

_TABLES = """
    CREATE TABLE told (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
    CREATE TABLE whose (
        number INTEGER PRIMARY KEY,
        tenant TEXT NOT NULL, team TEXT NOT NULL, customer TEXT NOT NULL,  -- empty: none
        model TEXT NOT NULL, served TEXT NOT NULL,
        UNIQUE (tenant, team, customer, model, served)
    ) STRICT;
    CREATE TABLE entries (
        number INTEGER PRIMARY KEY,
        place BLOB NOT NULL UNIQUE,       -- what an answer is found by
        whose INTEGER NOT NULL,
        until REAL NOT NULL,              -- epoch seconds
        size INTEGER NOT NULL,
        pico INTEGER NOT NULL,            -- what it cost
        hits INTEGER NOT NULL,
        worth INTEGER NOT NULL            -- policy/rules/eviction.py
    ) STRICT;
    CREATE INDEX least ON entries (worth);
    CREATE INDEX of_whose ON entries (whose);
    CREATE TABLE answers (number INTEGER PRIMARY KEY, sealed BLOB NOT NULL) STRICT;
"""


class Foreign(sqlite3.DatabaseError):
    """It is no cache, or one of another version."""


class Sealed(msgspec.Struct, frozen=True):
    """An answer as it is written."""

    place: bytes
    whose: Whose
    until: float
    pico: int
    sealed: bytes


class Group(msgspec.Struct, frozen=True):
    whose: Whose
    entries: int
    bytes: int


class CacheFile:
    """One connection, for one thread. Of what `sqlite3` raises, `is_useless` says what to do."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def open(cls, root: Path) -> CacheFile:
        """Open the file, or make it: readable by its owner alone."""
        path = root / FILE
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.fchmod(handle, 0o600)  # SQLite gives its side files the same
        os.close(handle)
        connection = sqlite3.connect(path, timeout=PATIENCE_SECONDS, isolation_level=None)
        try:
            _prepare(connection)
        except BaseException:
            connection.close()
            raise
        return cls(connection)

    def close(self) -> None:
        self._connection.close()

    def read(self, place: bytes) -> bytes | None:
        query = "SELECT sealed FROM answers JOIN entries USING (number) WHERE place = ?"
        found = self._rows(query, place)
        return found[0][0] if found else None

    def places(self) -> Iterator[bytes]:
        for (place,) in self._connection.execute("SELECT place FROM entries"):
            yield place

    def write(self, answers: Collection[Sealed]) -> list[bytes]:
        """Keep them, in place of older ones; those that had none."""
        with self._changing():
            age = self._value_of("age")
            owners = {whose: self._owner(whose) for whose in {each.whose for each in answers}}
            return [each.place for each in answers if self._put(each, owners[each.whose], age)]

    def hit(self, counts: Mapping[bytes, int]) -> None:
        """They were served so many times more."""
        with self._changing():
            age = self._value_of("age")
            for place, more in counts.items():
                query = "SELECT number, hits, pico, size FROM entries WHERE place = ?"
                for number, hits, pico, size in self._rows(query, place):
                    self._connection.execute(
                        "UPDATE entries SET hits = ?, worth = ? WHERE number = ?",
                        (hits + more, worth(age, hits + more, pico, size), number),
                    )

    def fit(self, max_bytes: int) -> list[bytes]:
        """Forget what is worth least until the rest takes no more than that; who went."""
        gone: list[bytes] = []
        with self._changing():
            while (excess := self.used_bytes - max_bytes) > 0:
                least = self._rows(
                    "SELECT worth, size, number, place FROM entries ORDER BY worth LIMIT ?", _STEP
                )
                if not least:
                    break
                gone += self._evict(least, excess)
        return gone

    def sweep(self, now: float) -> list[bytes]:
        """Forget what has expired; who went."""
        with self._changing():
            over = self._rows("SELECT number, place FROM entries WHERE until <= ?", now)
            self._delete([number for number, _ in over])
            self._connection.execute(
                "DELETE FROM whose WHERE number NOT IN (SELECT whose FROM entries)"
            )
        return [place for _, place in over]

    def drop(self, place: bytes) -> None:
        with self._changing():
            found = self._rows("SELECT number FROM entries WHERE place = ?", place)
            self._delete([number for (number,) in found])

    @property
    def empty(self) -> bool:
        return not self._rows("SELECT 1 FROM entries LIMIT 1")

    @property
    def purged(self) -> int:
        """The number of the last purge that was carried out here."""
        return self._value_of("purged")

    def purge(self, purge: Purge) -> None:
        """Forget for good what a purge covers."""
        with self._changing():
            for owner, *fields in self._rows("SELECT * FROM whose"):
                if purge.covers(_whose(*fields)):
                    self._forget_all_of(owner)
        self.shrink()

    def carried_out(self, number: int) -> None:
        self._tell("purged", number)

    def shrink(self) -> None:
        """Give free pages back, and leave nothing in the log of what was deleted."""
        with suppress(sqlite3.OperationalError):  # somebody reads just now: the next one does it
            # As a script: `execute` would stop after the first page that it gives back.
            self._connection.executescript(
                "PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE)"
            )

    @property
    def used_bytes(self) -> int:
        """What the answers take of the file; pages that became free are used again."""
        pages, free, size = (
            self._rows(f"PRAGMA {name}")[0][0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def _owner(self, whose: Whose) -> int:
        """The number of the row that says whose answers they are."""
        fields = tuple(each or "" for each in msgspec.structs.astuple(whose))
        self._connection.execute("INSERT OR IGNORE INTO whose VALUES (NULL, ?, ?, ?, ?, ?)", fields)
        query = "SELECT number FROM whose WHERE (tenant, team, customer, model, served) = "
        return int(self._rows(f"{query} (?, ?, ?, ?, ?)", *fields)[0][0])

    def _put(self, one: Sealed, owner: int, age: int) -> bool:
        run = self._connection.execute
        old = self._rows("SELECT number FROM entries WHERE place = ?", one.place)
        if old:
            self._delete([number for (number,) in old])
        size = len(one.sealed) + OVERHEAD
        row = (one.place, owner, one.until, size, one.pico, worth(age, 1, one.pico, size))
        added = run("INSERT INTO entries VALUES (NULL, ?, ?, ?, ?, ?, 1, ?)", row)
        run("INSERT INTO answers VALUES (?, ?)", (added.lastrowid, one.sealed))
        return not old

    def _evict(self, least: list[tuple[int, int, int, bytes]], excess: int) -> list[bytes]:
        gone: list[bytes] = []
        numbers: list[int] = []
        age = 0
        for age, size, number, place in least:  # noqa: B007  the last one's counts
            gone.append(place)
            numbers.append(number)
            excess -= size
            if excess <= 0:
                break
        self._delete(numbers)
        self._tell("age", age)
        return gone

    def _forget_all_of(self, owner: int) -> None:
        theirs = "SELECT number FROM entries WHERE whose = ?"
        self._connection.execute(f"DELETE FROM answers WHERE number IN ({theirs})", (owner,))
        self._connection.execute("DELETE FROM entries WHERE whose = ?", (owner,))

    def _delete(self, numbers: list[int]) -> None:
        rows = [(number,) for number in numbers]
        self._connection.executemany("DELETE FROM answers WHERE number = ?", rows)
        self._connection.executemany("DELETE FROM entries WHERE number = ?", rows)

    def _value_of(self, name: str) -> int:
        found = self._rows("SELECT value FROM told WHERE name = ?", name)
        return int(found[0][0]) if found else 0

    def _tell(self, name: str, value: int) -> None:
        query = "INSERT INTO told VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
        self._connection.execute(query, (name, value))

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, values).fetchall()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise


def groups(root: Path) -> list[Group]:
    """What the file holds of whom, while a gateway uses it as well as when none does."""
    path = root / FILE
    if not path.exists():
        return []
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        _known(connection)
        found = connection.execute(
            """SELECT tenant, team, customer, model, served, count(*), sum(size)
               FROM entries JOIN whose ON whose.number = whose GROUP BY whose"""
        )
        return [Group(_whose(*row[:5]), *row[5:]) for row in found]


def is_useless(error: sqlite3.Error) -> bool:
    """Whether the file is no good, whoever reads it; what else went wrong may pass."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    return isinstance(error, Foreign) or code & 0xFF in _USELESS


def set_aside(root: Path) -> None:
    """Out of the way, in place of what was set aside before."""
    with suppress(FileNotFoundError):
        (root / FILE).replace(root / ASIDE)
    _remove(root, _BESIDE)


def remove(root: Path) -> bool:
    """Leave nothing of the cache on disk; whether there was something."""
    return _remove(root, (FILE, *_BESIDE, ASIDE))


def _remove(root: Path, names: Iterable[str]) -> bool:
    there = [root / name for name in names if (root / name).exists()]
    for path in there:
        path.unlink(missing_ok=True)
    return bool(there)


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the tables in a new file, and refuse another's."""
    run = connection.execute
    run("PRAGMA auto_vacuum = INCREMENTAL")
    run("PRAGMA journal_mode = WAL")
    run("PRAGMA synchronous = NORMAL")
    run("PRAGMA secure_delete = ON")
    run("PRAGMA journal_size_limit = 4194304")
    if not run("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        marks = f"PRAGMA application_id = {_OURS}; PRAGMA user_version = {_VERSION};"
        connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} {marks} COMMIT;")
    _known(connection)


def _known(connection: sqlite3.Connection) -> None:
    names = ("application_id", "user_version")
    if [connection.execute(f"PRAGMA {n}").fetchone()[0] for n in names] != [_OURS, _VERSION]:
        raise Foreign("it is of another version")


def _whose(tenant: str, team: str, customer: str, model: str, served: str) -> Whose:
    return Whose(tenant, team or None, customer or None, model, served or None)
