"""The seam between an invented answer and the protocol it is given in. One face, one file."""

from __future__ import annotations

from typing import Protocol, TypeVar

import msgspec

from farthing.domain.usage import Usage
from farthing.providers.simulator.asked import Asked
from farthing.providers.simulator.reply import Reply
from farthing.providers.simulator.script import Declined

HOLE = "\N{WHITE SQUARE}"
T = TypeVar("T")


class Face(Protocol):
    """A conversation: something is asked, text comes back."""

    def read(self, body: bytes, called: Called) -> Asked:
        """Raises Declined where the provider would refuse the request."""
        ...

    def whole(self, reply: Reply) -> tuple[str, bytes]:
        """The answer's id and body."""
        ...

    def stream(self, reply: Reply) -> tuple[str, list[bytes]]:
        """The answer's id and the events of its stream."""
        ...

    def error(self, declined: Declined, request_id: str) -> bytes: ...


class Called(msgspec.Struct, frozen=True, gc=False):
    """What the request line says."""

    method: bytes
    path: str
    query: str
    model: str | None = None  # Gemini names it in the path
    verb: str | None = None


class Plain(msgspec.Struct, gc=False):
    """An answer that is not talk: an embedding, a count, a list of models."""

    body: bytes
    model: str | None = None
    response_id: str | None = None
    usage: Usage | None = None


def decode(body: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[T], where: str = "") -> T:
    """A body, or a part of one. Declined where it is no JSON, or a field has another type."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `$")
        param = (where + path.rstrip("`")).lstrip(".") or None
        raise Declined(400, "invalid_type", f"{param or 'body'}: {what}.", param) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        what = f"The body could not be read as JSON: {error}."
        raise Declined(400, "invalid_json", what) from error


def event(told: object, name: str | None = None) -> bytes:
    """One server-sent event."""
    data = told if isinstance(told, bytes) else msgspec.json.encode(told)
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data) if name else b"data: %b\n\n" % data


def frame(told: object, name: str | None = None) -> tuple[bytes, bytes]:
    """An event with a HOLE for a text, cut in two, so that many are made fast."""
    before, _, after = event(told, name).partition(f'"{HOLE}"'.encode())
    return before, after


def filled(around: tuple[bytes, bytes], text: str) -> bytes:
    return around[0] + msgspec.json.encode(text) + around[1]
