"""An answer as bytes that open only with the call that it answers.

AES-256-GCM under a key that is made from tenant and request and is written nowhere, so whoever
has the file has no answer, and what was torn, changed or put in another's place does not open.
"""

from __future__ import annotations

import os

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from farthing.domain.money import Money
from farthing.gateway.memory import Kept
from farthing.gateway.purges import Whose

_NONCE = 12


class _Written(msgspec.Struct, array_like=True):
    status: int
    headers: list[tuple[bytes, bytes]]
    chunks: tuple[bytes, ...]
    pico: int | None
    until: float
    whose: tuple[str, str | None, str | None, str, str | None]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Written).decode


def seal(secret: bytes, place: bytes, kept: Kept) -> bytes:
    """`secret` is 32 bytes of this call alone; `place` is what the answer is found by."""
    pico = None if kept.cost is None else kept.cost.pico
    whose = msgspec.structs.astuple(kept.whose)
    plain = _encode(_Written(kept.status, kept.headers, kept.chunks, pico, kept.until, whose))
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(secret).encrypt(nonce, plain, place)


def opened(secret: bytes, place: bytes, sealed: bytes) -> Kept | None:
    """The answer; None where these are not the bytes that were sealed for this call."""
    try:
        plain = AESGCM(secret).decrypt(sealed[:_NONCE], sealed[_NONCE:], place)
        found = _decode(plain)
    except (InvalidTag, ValueError, msgspec.DecodeError):
        return None
    cost = None if found.pico is None else Money(found.pico)
    whose = Whose(*found.whose)
    return Kept(found.status, found.headers, found.chunks, cost, found.until, whose)
