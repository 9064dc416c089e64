"""A virtual key: who calls with it, and what for; which models it may ask, how fast."""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Mapping
from datetime import datetime
from fnmatch import fnmatchcase
from hashlib import sha256

import msgspec

from farthing.domain.errors import Refused
from farthing.domain.money import Money
from farthing.domain.scope import SCOPE

OWNERS = tuple(name for name in SCOPE if name != "key")
# What a filter already means by these names; a tag called so would never be seen.
_TAKEN = {*SCOPE, "tenant", "model", "provider", "account", "operation", "session_id"}
_ID_ALPHABET = string.ascii_lowercase + string.digits
_ID_LENGTH = 12
_TAG = re.compile(r"[A-Za-z_][\w.\-]{0,99}")
_LONGEST = 200


class InvalidKey(Refused):
    code, status = "invalid_key", 401


class ExpiredKey(Refused):
    code, status = "expired_key", 401


class RevokedKey(Refused):
    code, status = "revoked_key", 401


class Rates(msgspec.Struct, frozen=True, omit_defaults=True):
    """The most that a key may ask for; None: no limit of its own."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    usd_per_minute: Money | None = None
    concurrency: int | None = None  # calls in flight


class Key(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of a key. Its secrets are not: only their digests are kept, elsewhere."""

    id: str
    tenant: str
    scope: Mapping[str, str] = {}  # team, project, feature, customer, environment, cost_center
    tags: Mapping[str, str] = {}
    name: str | None = None
    models: tuple[str, ...] = ()  # globs; none at all: every model
    rates: Rates = Rates()
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def allows(self, model: str) -> bool:
        return not self.models or any(fnmatchcase(model, glob) for glob in self.models)

    def facts(self) -> dict[str, str]:
        """What a filter sees of a call by this key before anything else is known of it."""
        return {**self.tags, **self.scope, "key": self.id, "tenant": self.tenant}

    def state(self, now: datetime) -> str:
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "active"

    def checked(self) -> Key:
        """Itself, or Refused with what is wrong with it."""
        if not self.scope.get("team"):
            raise Refused("A key needs a team, whose cost its calls are. Name one with --team.")
        if "/" in self.tenant:
            raise Refused(
                f"The tenant {self.tenant!r} has a slash, which divides tenant and customer. "
                "Name another with --tenant."
            )
        for tag in self.tags:
            if not _TAG.fullmatch(tag) or tag in _TAKEN:
                raise Refused(
                    f"{tag!r} cannot be a tag's name. Use letters, digits, - _ and .; "
                    f"not {', '.join(sorted(_TAKEN))}."
                )
        for text in (self.tenant, self.name or "x", *self.scope.values(), *self.tags.values()):
            if not text.strip() or len(text) > _LONGEST or not text.isprintable():
                raise Refused(
                    f"{text[:40]!r} cannot name an owner, a tag or a key. "
                    f"Use 1 to {_LONGEST} printable characters."
                )
        if any(not glob or not glob.isprintable() for glob in self.models):
            raise Refused("A model's glob is empty. Write it as gpt-4o*, or leave it out.")
        return self


def tenant_of(key: Key, customer: str | None) -> str:
    """Whose answers may be shared: no tenant has a slash, so no two pairs spell the same."""
    return f"{key.tenant}/{customer}" if customer else key.tenant


def new_id() -> str:
    return "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_LENGTH))


def new_secret() -> str:
    return secrets.token_urlsafe(32)


def token_of(key: str, secret: str) -> str:
    """What a caller sends: `fk_<id>_<secret>`. The id has no underscore, the secret may."""
    return f"fk_{key}_{secret}"


def digest_of(secret: str) -> bytes:
    """A secret has 256 random bits, so one plain hash keeps it."""
    return sha256(secret.encode("utf-8", "surrogateescape")).digest()
