"""Tell who calls: every key as it was at one moment, in memory, for the gateway."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from hmac import compare_digest
from math import inf

from farthing.access.keys import ExpiredKey, InvalidKey, Key, RevokedKey, digest_of
from farthing.access.store import all_keys
from farthing.ledger.state import State

_Secret = tuple[bytes, float]  # its digest; when it ends, in seconds since 1970
_NOBODY: tuple[Key | None, float, tuple[_Secret, ...]] = (None, inf, ((bytes(32), inf),))


class Keyring:
    """A snapshot. When state.db has changed, load another and use that from then on."""

    def __init__(self, keys: Mapping[str, tuple[Key, tuple[_Secret, ...]]]) -> None:
        self._known = {
            id: (key, _ends(key.expires_at), secrets) for id, (key, secrets) in keys.items()
        }

    @classmethod
    def load(cls, state: State) -> Keyring:
        found: dict[str, list[_Secret]] = defaultdict(list)
        for id, digest, ends in state.rows("SELECT key, digest, expires_at FROM key_secrets"):
            moment = None if ends is None else datetime.fromisoformat(ends)
            found[id].append((digest, _ends(moment)))
        return cls({key.id: (key, tuple(found[key.id])) for key in all_keys(state)})

    def __len__(self) -> int:
        return len(self._known)

    def all(self) -> Iterator[Key]:
        return (key for key, _, _ in self._known.values())

    def identify(self, token: str, now: float) -> Key:
        """Whose token this is. `now` is in seconds since 1970.

        Raises InvalidKey, ExpiredKey or RevokedKey. The last two only for who has the secret:
        nobody else learns whether a key exists, by words or by time.
        """
        sign, id, secret = token.split("_", 2) if token.count("_") > 1 else ("", "", "")
        key, ends, digests = self._known.get(id, _NOBODY)
        given = digest_of(secret)
        until = None
        for digest, secret_ends in digests:
            if compare_digest(digest, given):
                until = secret_ends
        if key is None or until is None or sign != "fk":
            raise InvalidKey(
                "This key is not known here. Use one that `farthing key create` printed."
            )
        if key.revoked_at is not None:
            raise RevokedKey(f"Key {id} was revoked. Ask for a new one.")
        if now >= ends:
            raise ExpiredKey(f"Key {id} has expired. Ask for a new one.")
        if now >= until:
            raise ExpiredKey(f"Key {id} was rotated and this is its old secret. Use the new one.")
        return key


def _ends(moment: datetime | None) -> float:
    return inf if moment is None else moment.timestamp()
