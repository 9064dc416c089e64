"""The policy in force and all before it: who set it, when and why. No version is ever edited."""

from __future__ import annotations

import difflib
import sqlite3

import msgspec

from farthing.domain.errors import Refused
from farthing.ledger import audit
from farthing.ledger.audit import By
from farthing.ledger.state import State
from farthing.policy.policy import parse

LONGEST = 1024 * 1024
LONGEST_REASON = 1000


class Version(msgspec.Struct, frozen=True):
    """`text` is TOML as it was set, byte for byte."""

    version: int
    text: str
    author: str
    reason: str
    at: str | None


# What holds before anybody has set anything.
DEFAULTS = Version(0, "", "farthing", "the defaults", None)


def current(state: State) -> Version:
    return listed(state)[0]


def listed(state: State) -> list[Version]:
    """Every version, newest first; the defaults come last, as version 0."""
    found = state.rows("SELECT * FROM policies ORDER BY version DESC")
    return [*(Version(*row) for row in found), DEFAULTS]


def one(state: State, version: int) -> Version:
    for found in listed(state):
        if found.version == version:
            return found
    raise Refused(f"There is no version {version}. `farthing policy list` shows those there are.")


def put(change: sqlite3.Connection, text: str, by: By, why: str) -> int:
    """Set a policy: it holds from now on, in a running gateway within a second."""
    if len(text) > LONGEST:
        raise Refused(f"A policy of {len(text):,} characters is too long; {LONGEST:,} is the most.")
    if not why.strip() or len(why) > LONGEST_REASON:
        raise Refused(f"Say why, in 1 to {LONGEST_REASON:,} characters: --why 'cheaper at night'.")
    parse(text)
    return _append(change, "policy.set", text, by, why)


def rollback(
    change: sqlite3.Connection, state: State, version: int | None, by: By, why: str
) -> int:
    """Go back to a version, by default the one before: a new version with the old one's bytes."""
    now = current(state).version
    target = one(state, now - 1 if version is None else version)
    if target.version == now:
        raise Refused(f"Version {now} is in force already. Name an older one.")
    parse(target.text)
    return _append(change, "policy.rollback", target.text, by, why or f"back to {target.version}")


def diff(old: Version, new: Version) -> str:
    """What changed, as a unified diff; empty where nothing did."""
    names = f"version {old.version}", f"version {new.version}"
    before, after = (each.text.splitlines(keepends=True) for each in (old, new))
    lines = difflib.unified_diff(before, after, *names)
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def _append(change: sqlite3.Connection, action: str, text: str, by: By, why: str) -> int:
    row = (text, by.who, why.strip(), audit.moment(by.at))
    done = change.execute(
        "INSERT INTO policies (value, author, reason, at) VALUES (?, ?, ?, ?)", row
    )
    version = int(done.lastrowid or 0)
    audit.append(change, by, action, str(version), why=why.strip())
    return version
