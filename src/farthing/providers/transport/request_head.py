"""The bytes of a request before its body, refused where they would say more than was meant."""

from __future__ import annotations

import operator

from farthing.domain.errors import Refused
from farthing.providers.transport.hops import OF_A_CONNECTION, is_token
from farthing.providers.transport.wire import Headers, NotSent, Origin, Request

MOST_REMEMBERED, LONGEST_REMEMBERED = 512, 256  # callers choose paths and names


class Unspeakable(Refused):
    """A request that cannot be written as one: somebody smuggles, or a setting is broken."""

    code = "bad_request"


class Heads:
    """Writes the heads of requests to one origin. Paths and names found good are remembered."""

    def __init__(self, origin: Origin) -> None:
        self.host = host_of(origin)
        self._starts: dict[tuple[bytes, bytes], bytes] = {}
        self._names: set[bytes] = set()

    def write(self, request: Request) -> bytes:
        """All up to and with the empty line."""
        start = self._starts.get((request.method, request.target)) or self._start(request)
        headers = self.checked(request)
        lines = b"\r\n".join(map(b": ".join, headers))
        if headers:
            lines += b"\r\n"
        # A break inside a header makes one too many, and one look over all of them finds it.
        many = len(headers)
        if lines.count(b"\n") != many or lines.count(b"\r") != many or b"\0" in lines:
            raise Unspeakable("A header holds a line break or a NUL; leave it out.")
        if request.body or request.method not in _BODILESS:
            return b"%b%bcontent-length: %d\r\n\r\n" % (start, lines, len(request.body))
        return start + lines + b"\r\n"

    def checked(self, request: Request) -> Headers:
        """The headers that go on the wire. Their names are good; `write` looks at values."""
        headers = request.headers
        if self._names.issuperset(map(_NAME, headers)):
            return headers
        for name, _ in headers:
            if not is_token(name):
                raise Unspeakable("A header's name is no lower-case token; leave it out.")
        kept = [pair for pair in headers if pair[0] not in OF_A_CONNECTION]
        if len(self._names) < MOST_REMEMBERED:
            self._names.update(name for name, _ in kept if len(name) <= LONGEST_REMEMBERED)
        return kept

    def _start(self, request: Request) -> bytes:
        method, target = request.method, request.target
        if method not in _METHODS:
            raise Unspeakable(f"{method!r} is no method that is sent on; send GET or POST.")
        if target[:1] != b"/" or len(target.translate(None, _NOT_IN_A_TARGET)) != len(target):
            raise Unspeakable("The path holds what no path may; encode it with %.")
        start = b"%b %b HTTP/1.1\r\nhost: %b\r\n" % (method, target, self.host)
        if len(self._starts) < MOST_REMEMBERED and len(target) <= LONGEST_REMEMBERED:
            self._starts[method, target] = start
        return start


def host_of(origin: Origin) -> bytes:
    """As `Host` says it: IPv6 in brackets, the port where it is not the scheme's own."""
    try:
        host = origin.host if origin.host.isascii() else origin.host.encode("idna").decode()
    except UnicodeError as error:
        raise NotSent(f"{origin.host!a} is no host; correct base_url.") from error
    host = f"[{host}]" if ":" in host else host
    port = "" if _PORTS.get(origin.scheme) == origin.port else f":{origin.port}"
    return f"{host}{port}".encode()


_NAME = operator.itemgetter(0)
_METHODS = frozenset({b"DELETE", b"GET", b"HEAD", b"OPTIONS", b"PATCH", b"POST", b"PUT"})
_BODILESS = frozenset({b"GET", b"HEAD"})
_PORTS = {"http": 80, "https": 443}
_NOT_IN_A_TARGET = bytes(range(0x21)) + b"#\x7f"
