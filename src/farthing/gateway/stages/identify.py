"""Find out whose call it is, by the virtual key that came with it."""

from __future__ import annotations

from farthing.domain.errors import Refused
from farthing.gateway.exchange import Exchange, Refusing
from farthing.gateway.live import Live
from farthing.gateway.pipeline import Rest

# Where each vendor's clients put a key, the most usual first.
_PLACES = (b"x-api-key", b"x-goog-api-key", b"api-key")


class Identify:
    def __init__(self, live: Live) -> None:
        self._live = live

    async def __call__(self, x: Exchange, rest: Rest) -> None:
        token = _token(x)
        if not token:
            raise Refusing(
                401, "invalid_key", "No key came with the call. Give your client one that "
                "`farthing key create` printed as its API key.",
            )  # fmt: skip
        try:
            x.key = self._live.keyring.identify(token, x.began)
        except Refused as error:
            raise Refusing(error.status, error.code, str(error)) from error
        await rest(x)


def _token(x: Exchange) -> str:
    if x.names.keys > 1:
        raise Refusing(
            400, "bad_request",
            "The call has two authorization headers, and nobody knows whose it is. Send one.",
        )  # fmt: skip
    value = x.header(b"authorization")
    if value is not None and value[:7].lower() == b"bearer ":
        return value[7:].strip().decode("latin-1")
    for place in _PLACES:
        if found := x.header(place):
            return found.strip().decode("latin-1")
    return ""
