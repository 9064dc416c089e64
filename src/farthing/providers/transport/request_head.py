"""The bytes of a request before its body, refused where they would say more than was meant."""

from __future__ import annotations

from farthing.domain.errors import Refused
from farthing.providers.transport.hops import OF_A_CONNECTION
from farthing.providers.transport.wire import Headers, Origin, Request

_NOT_IN_A_TARGET = bytes(range(0x21)) + b"#\x7f"
_NOT_IN_A_NAME = bytes(range(0x21)) + b'"(),/:;<=>?@[\\]{}' + bytes(range(0x7F, 0x100))
_PORTS = {"http": 80, "https": 443}


class Unspeakable(Refused):
    """A request that cannot be written as one: somebody smuggles, or a setting is broken."""

    code = "bad_request"


def head(origin: Origin, request: Request) -> bytes:
    """Request line and headers, up to and with the empty line."""
    lines = _lines(request)
    body = request.body
    if body or request.method not in _BODILESS:
        lines += b"content-length: %d\r\n" % len(body)
    return b"%b %b HTTP/1.1\r\nhost: %b\r\n%b\r\n" % (
        request.method,
        request.target,
        host_of(origin),
        lines,
    )


def checked(request: Request) -> Headers:
    """The headers to write, for a transport that spells them itself."""
    _lines(request)
    return [pair for pair in request.headers if pair[0] not in OF_A_CONNECTION]


def host_of(origin: Origin) -> bytes:
    """As `Host` says it: IPv6 in brackets, the port where it is not the scheme's own."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    port = "" if _PORTS.get(origin.scheme) == origin.port else f":{origin.port}"
    return f"{host}{port}".encode("idna" if not host.isascii() else "ascii")


_BODILESS = frozenset({b"GET", b"HEAD"})


def _lines(request: Request) -> bytes:
    method, target = request.method, request.target
    if not (method.isalpha() and method.isupper()):
        raise Unspeakable(f"The method {method!r} is none; send GET or POST.")
    if target[:1] != b"/" or target.translate(None, _NOT_IN_A_TARGET) != target:
        raise Unspeakable(f"The path {target[:80]!r} holds what no path may; encode it with %.")
    written = [
        b"%b: %b\r\n" % (name, value)
        for name, value in request.headers
        if name not in OF_A_CONNECTION
    ]
    lines = b"".join(written)
    many = len(written)
    # A header that holds a line break makes one line too many: two counts see it in all of them.
    if lines.count(b"\n") != many or lines.count(b"\r") != many or b"\0" in lines:
        raise Unspeakable("A header holds a line break or a NUL; leave it out.")
    for name, _ in request.headers:
        if not name or name.translate(None, _NOT_IN_A_NAME) != name:
            raise Unspeakable(f"{name[:80]!r} is no name of a header; leave it out.")
    return lines
