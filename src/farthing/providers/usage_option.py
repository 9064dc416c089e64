"""The option that makes a stream of chat or completions tell its usage."""

from __future__ import annotations

import msgspec

from farthing.providers.body import ABSENT, altered, fields_of

_INCLUDE = b'{"include_usage":true}'


class StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


def asks(options: StreamOptions | None) -> bool:
    return options is not None and options.include_usage is True


def included(body: bytes) -> bytes:
    """The body with the option put in front, where there are no stream options yet."""
    start = body.index(b"{") + 1
    return b'%b"stream_options":%b,%b' % (body[:start], _INCLUDE, body[start:])


def options_with(body: bytes) -> bytes:
    """The body's stream options with the usage event asked for."""
    options = bytes(fields_of(body).get("stream_options", ABSENT))
    if options in {b"", b"null"}:
        return _INCLUDE
    return altered(options, {"include_usage": b"true"})
