"""Who asks the back office: the holder of the admin token, or of a virtual key."""

from __future__ import annotations

import time
from dataclasses import dataclass

from farthing.access.admin import admin_digest, is_admin
from farthing.access.keyring import Keyring
from farthing.access.keys import InvalidKey, Key
from farthing.ledger.state import State

_SCHEME = "bearer "


@dataclass(frozen=True, slots=True)
class Caller:
    """`key` is None for the admin."""

    key: Key | None


class Callers:
    """Whom state.db knows now. For the thread that opened `state`."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._version: int | None = None
        self._keyring = Keyring({})
        self._admin: bytes | None = None

    def of(self, authorization: str | None) -> Caller:
        """Who sent this header. Raises InvalidKey, ExpiredKey or RevokedKey; Unavailable."""
        self._refresh()
        given = authorization or ""
        if given[: len(_SCHEME)].lower() != _SCHEME:
            raise InvalidKey(
                "No token came with this. Send `Authorization: Bearer …` with the admin token, "
                "or with a key that `farthing key create` printed."
            )
        token = given[len(_SCHEME) :].strip()
        if is_admin(self._admin, token):
            return Caller(None)
        return Caller(self._keyring.identify(token, time.time()))

    def _refresh(self) -> None:
        version = self._state.version()
        if version != self._version:
            self._keyring, self._admin = Keyring.load(self._state), admin_digest(self._state)
            self._version = version
