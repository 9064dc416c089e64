"""Names of headers: which are none, and which belong to one connection and so end here."""

from __future__ import annotations

from collections.abc import Iterable

from farthing.providers.transport.wire import Headers

# RFC 9110 §7.6.1, and what frames a message: the transport on each side writes its own.
OF_A_CONNECTION = frozenset(
    {
        b"connection",
        b"content-length",
        b"expect",
        b"host",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)


def end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """An answer's headers for whoever asked, names in lower case."""
    lower = [(name.lower(), value) for name, value in headers]
    named = {each for name, value in lower if name == b"connection" for each in named_in(value)}
    return [pair for pair in lower if pair[0] not in OF_A_CONNECTION and pair[0] not in named]


def named_in(connection: bytes) -> list[bytes]:
    """What a `Connection` says of further headers that end here."""
    return [name.strip().lower() for name in connection.split(b",")]


def is_token(name: bytes) -> bool:
    """Whether it can name a header (RFC 9110 §5.6.2), in lower case: no `Host` beside `host`."""
    return bool(name) and len(name.translate(None, _NOT_IN_A_NAME)) == len(name)


_NOT_IN_A_NAME = (
    bytes(range(0x21))
    + b'"(),/:;<=>?@[\\]{}'
    + bytes(range(0x41, 0x5B))
    + bytes(range(0x7F, 0x100))
)
