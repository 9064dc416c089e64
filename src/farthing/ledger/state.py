"""state.db: what is in force, and how much of each budget is spent.

SQLite in WAL mode, every commit synced. Command line, gateway and back office open it side by
side: writers take turns (each for milliseconds), and `version` tells a reader cheaply that
somebody else changed something. No DuckDB here: the gateway reads it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from farthing.domain.errors import DiskFull, NewerWorkspace, Unavailable

FILE = "state.db"
PATIENCE_SECONDS = 5.0

# One script a version; a new one goes at the end and is run once.
_MIGRATIONS = (
    """
    CREATE TABLE keys (
        id TEXT PRIMARY KEY,
        value TEXT NOT NULL,              -- JSON of access.Key
        origin TEXT NOT NULL              -- who made it: cli, config, demo
    ) STRICT;
    CREATE TABLE key_secrets (            -- a rotated key has two for a while
        digest BLOB PRIMARY KEY,          -- sha256 of the secret part; the secret is nowhere
        key TEXT NOT NULL REFERENCES keys (id) ON DELETE CASCADE,
        created_at TEXT NOT NULL,
        expires_at TEXT                   -- when this secret ends; the key may live on
    ) STRICT;
    CREATE INDEX secrets_of_keys ON key_secrets (key);
    CREATE TABLE budgets (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL,              -- JSON of budgets.Budget
        origin TEXT NOT NULL,             -- who set it: cli, config, key, demo
        lifts INTEGER NOT NULL DEFAULT 0  -- how often a block was lifted; see budgets/store.py
    ) STRICT;
    CREATE TABLE sums (                   -- what of a budget is settled in one stretch of time
        budget TEXT NOT NULL,
        instance TEXT NOT NULL,           -- the session or `per` value; empty where there is none
        period TEXT NOT NULL,             -- its first moment, UTC; empty for total and run
        settled_usd TEXT NOT NULL,
        blocked TEXT,                     -- why nothing more is granted here
        PRIMARY KEY (budget, instance, period)
    ) STRICT;
    CREATE TABLE watermarks (             -- sums include a set's segments before this one, and
        journal_set TEXT PRIMARY KEY,
        seq INTEGER NOT NULL,
        offset INTEGER NOT NULL           -- of this one so many bytes
    ) STRICT;
    CREATE TABLE policies (               -- versions, newest last; never edited
        version INTEGER PRIMARY KEY AUTOINCREMENT,
        value TEXT NOT NULL,              -- the TOML that was set, byte for byte
        author TEXT NOT NULL,
        reason TEXT NOT NULL,
        at TEXT NOT NULL
    ) STRICT;
    CREATE TABLE audit (
        at TEXT NOT NULL,
        who TEXT NOT NULL,
        action TEXT NOT NULL,             -- key.create, budget.set, policy.rollback …
        target TEXT NOT NULL,
        detail TEXT NOT NULL              -- JSON; never a secret
    ) STRICT;
    CREATE TABLE settings (               -- single values: the admin token's digest …
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT;
    CREATE TABLE rates (                  -- rates that live calls were priced with, until compacted
        price_id TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT;
    """,
    """
    CREATE TABLE openings (               -- how a budget's sums began; see budgets/opening.py
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        budget TEXT NOT NULL UNIQUE,
        at TEXT NOT NULL,                 -- since when it counts by itself
        carried_usd TEXT NOT NULL,        -- what the period had cost by then
        cut TEXT                          -- JSON: by set, the segment and byte up to which its sums
    ) STRICT;                             -- are; NULL: up to the watermarks, as others'
    """,
)


class State:
    """One connection. Not shared between threads."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection, self.path = connection, path

    @classmethod
    def open(cls, root: Path) -> State:
        """Open, or make, the state of the workspace at `root`, and migrate it."""
        path = root / FILE
        try:
            connection = sqlite3.connect(path, timeout=PATIENCE_SECONDS, isolation_level=None)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            _migrate(connection, path)
        except sqlite3.Error as error:
            raise _mapped(error, path) from error
        return cls(connection, path)

    @classmethod
    def of_nothing(cls) -> State:
        """What is in force where there is no workspace yet. Forgotten when it is closed."""
        connection = sqlite3.connect(":memory:", isolation_level=None)
        _migrate(connection, Path(FILE))
        return cls(connection, Path(FILE))

    def again(self) -> State:
        """Another connection to the same, for another thread."""
        return State.open(self.path.parent)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """All rows of a query that only reads."""
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise _mapped(error, self.path) from error

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that writes: all of it is durable when this returns, or none happened."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise _mapped(error, self.path) from error

    def version(self) -> int:
        """A number that differs once another connection has changed something."""
        return int(self.rows("PRAGMA data_version")[0][0])

    def close(self) -> None:
        self._connection.close()


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found > len(_MIGRATIONS):
        raise NewerWorkspace(str(path), found, len(_MIGRATIONS))
    for number, script in enumerate(_MIGRATIONS[found:], found + 1):
        statements = f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {number}; COMMIT;"
        try:
            connection.executescript(statements)
        except sqlite3.OperationalError:
            connection.rollback()
            # Another process may have got there first, between our look and our turn.
            (now,) = connection.execute("PRAGMA user_version").fetchone()
            if now < number:
                raise


def _mapped(error: sqlite3.Error, path: Path) -> Exception:
    if "full" in str(error):
        return DiskFull(str(path.parent))
    return Unavailable(f"{path}: {error}. Check the disk and your rights there; then try again.")
