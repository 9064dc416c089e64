"""Make, change, rotate and revoke keys in state.db."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta

import msgspec

from farthing.access.keys import Key, digest_of, new_secret, token_of
from farthing.domain.errors import Refused
from farthing.domain.text import from_text, to_text
from farthing.ledger import audit
from farthing.ledger.audit import By
from farthing.ledger.state import State


def all_keys(state: State, origin: str | None = None) -> list[Key]:
    """Every key there was, revoked ones too, oldest first."""
    found = state.rows(
        "SELECT value FROM keys WHERE ? IS NULL OR origin = ? ORDER BY rowid", origin, origin
    )
    return [from_text(value, Key) for (value,) in found]


def tenants(state: State) -> dict[str, str]:
    """The tenant of every key there was, by its id: rows of the ledger do not name it."""
    return {key.id: key.tenant for key in all_keys(state)}


def add(change: sqlite3.Connection, key: Key, origin: str, by: By) -> str:
    """Make a key. Answers its token, which nobody can be told again."""
    key.checked()
    change.execute("INSERT INTO keys VALUES (?, ?, ?)", (key.id, to_text(key), origin))
    audit.append(change, by, "key.create", key.id, **_described(key))
    return _new_token(change, key.id, by.at)


def replace(change: sqlite3.Connection, key: Key, by: By) -> None:
    """Change what a key may, for whom; its secrets stay."""
    key.checked()
    _write(change, key)
    audit.append(change, by, "key.change", key.id, **_described(key))


def rotate(change: sqlite3.Connection, id: str, keep: timedelta, by: By) -> tuple[str, datetime]:
    """Give a key a new secret. Answers the new token, and when the old ones end at the latest.

    The id stays, so scope, budgets and reports go on.
    """
    key = living(change, id, by.at)
    try:
        ends = by.at + keep
    except OverflowError as error:
        raise Refused("--keep is further away than dates go. Write it as 24h.") from error
    # A secret that an earlier rotation ends sooner still ends then.
    change.execute(
        "UPDATE key_secrets SET expires_at = min(coalesce(expires_at, ?1), ?1) WHERE key = ?2",
        (audit.moment(ends), id),
    )
    token = _new_token(change, id, by.at)
    audit.append(change, by, "key.rotate", id, old_ends=audit.moment(ends))
    return token, min(ends, key.expires_at or ends)


def revoke(change: sqlite3.Connection, id: str, by: By) -> Key:
    """End a key at once, with every secret it has."""
    key = _found(change, id)
    if key.revoked_at is not None:
        raise Refused(f"Key {id} is revoked already.")
    revoked = msgspec.structs.replace(key, revoked_at=by.at)
    _write(change, revoked)
    audit.append(change, by, "key.revoke", id)
    return revoked


def living(change: sqlite3.Connection, id: str, now: datetime) -> Key:
    """A key that still opens something."""
    key = _found(change, id)
    if (state := key.state(now)) != "active":
        raise Refused(f"Key {id} is {state}. Make a new one with `farthing key create`.")
    return key


def _found(change: sqlite3.Connection, id: str) -> Key:
    row = change.execute("SELECT value FROM keys WHERE id = ?", (id,)).fetchone()
    if row is None:
        raise Refused(f"No key has the id {id[:40]!r}. `farthing key list` shows those there are.")
    return from_text(row[0], Key)


def _write(change: sqlite3.Connection, key: Key) -> None:
    change.execute("UPDATE keys SET value = ? WHERE id = ?", (to_text(key), key.id))


def _new_token(change: sqlite3.Connection, id: str, now: datetime) -> str:
    secret = new_secret()
    row = (digest_of(secret), id, audit.moment(now))
    change.execute("INSERT INTO key_secrets VALUES (?, ?, ?, NULL)", row)
    return token_of(id, secret)


def _described(key: Key) -> dict[str, object]:
    """A key for the audit, where its id stands already."""
    return {k: v for k, v in msgspec.structs.asdict(key).items() if v and k != "id"}
