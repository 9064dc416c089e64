"""The admin token: what opens the back office. Only its digest is kept."""

from __future__ import annotations

import sqlite3
from hmac import compare_digest

from farthing.access.keys import digest_of, new_secret
from farthing.ledger import audit
from farthing.ledger.audit import By
from farthing.ledger.state import State

_NAME = "admin_token_sha256"


def ensure_admin_token(state: State, by: By) -> str | None:
    """Make it if there is none yet: the first start gets it to print, later ones None."""
    with state.changing() as change:
        return None if admin_digest(state) is not None else _new(change, "admin_token.create", by)


def reset_admin_token(state: State, by: By) -> str:
    """Make another. The old one opens nothing from now on."""
    with state.changing() as change:
        return _new(change, "admin_token.reset", by)


def admin_digest(state: State) -> bytes | None:
    found = state.rows("SELECT value FROM settings WHERE name = ?", _NAME)
    return bytes.fromhex(found[0][0]) if found else None


def is_admin(digest: bytes | None, token: str) -> bool:
    """Whether this is the token of that digest, in a time that does not depend on it."""
    return compare_digest(digest_of(token), digest or bytes(32)) and digest is not None


def _new(change: sqlite3.Connection, action: str, by: By) -> str:
    token = f"fa_{new_secret()}"
    row = (_NAME, digest_of(token).hex())
    change.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", row)
    audit.append(change, by, action, "admin")
    return token
