"""The bytes of a request before its body, refused where they would say more than was meant."""

from __future__ import annotations

from farthing.domain.errors import Refused
from farthing.providers.transport.hops import OF_A_CONNECTION
from farthing.providers.transport.wire import Headers, Origin, Request


class Unspeakable(Refused):
    """A request that cannot be written as one: somebody smuggles, or a setting is broken."""

    code = "bad_request"


def head(host: bytes, request: Request) -> bytes:
    """Request line and headers, up to and with the empty line. `host` is from `host_of`."""
    headers = checked(request)
    lines = [b"%b %b HTTP/1.1\r\nhost: %b" % (request.method, request.target, host)]
    lines += [b": ".join(pair) for pair in headers]
    if request.body or request.method not in _BODILESS:
        lines.append(b"content-length: %d" % len(request.body))
    written = b"\r\n".join(lines)
    # A break inside a header makes one too many, and one look over all of them finds it.
    breaks = len(lines)  # one between each two, one after `HTTP/1.1`
    if written.count(b"\n") != breaks or written.count(b"\r") != breaks or b"\0" in written:
        raise _broken()
    return written + b"\r\n\r\n"


def checked(request: Request) -> Headers:
    """The headers that go on the wire; values are left to look at."""
    method, target = request.method, request.target
    if not (method.isalpha() and method.isupper()):
        raise Unspeakable(f"{method!r} is no method; send GET or POST.")
    if target[:1] != b"/" or len(target.translate(None, _NOT_IN_A_TARGET)) != len(target):
        raise Unspeakable("The path holds what no path may; encode it with %.")
    headers = [pair for pair in request.headers if pair[0] not in OF_A_CONNECTION]
    names = [name for name, _ in headers]
    joined = b"".join(names)
    if b"" in names or len(joined.translate(None, _NOT_IN_A_NAME)) != len(joined):
        raise Unspeakable("A header's name is no lower-case token; leave it out.")
    return headers


def checked_whole(request: Request) -> Headers:
    """The same for a transport that spells them itself."""
    headers = checked(request)
    values = b"".join([value for _, value in headers])
    if len(values.translate(None, b"\r\n\0")) != len(values):
        raise _broken()
    return headers


def host_of(origin: Origin) -> bytes:
    """As `Host` says it: IPv6 in brackets, the port where it is not the scheme's own."""
    host = origin.host if origin.host.isascii() else origin.host.encode("idna").decode()
    host = f"[{host}]" if ":" in host else host
    port = "" if _PORTS.get(origin.scheme) == origin.port else f":{origin.port}"
    return f"{host}{port}".encode()


_BODILESS = frozenset({b"GET", b"HEAD"})
_PORTS = {"http": 80, "https": 443}
# RFC 9110 §5.6.2 names tokens. Capitals are kept out so that no `Host` slips past `host`.
_NOT_IN_A_NAME = (
    bytes(range(0x21))
    + b'"(),/:;<=>?@[\\]{}'
    + bytes(range(0x41, 0x5B))
    + bytes(range(0x7F, 0x100))
)
_NOT_IN_A_TARGET = bytes(range(0x21)) + b"#\x7f"


def _broken() -> Unspeakable:
    return Unspeakable("A header holds a line break or a NUL; leave it out.")
