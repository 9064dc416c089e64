"""Which names a request may call this gateway by, where `[gateway] allowed_hosts` says so."""

from __future__ import annotations

from collections.abc import Iterable

from farthing.gateway.exchange import Refusing
from farthing.providers.transport.wire import Headers

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Hosts:
    """Loopback's names always count. Without any `allowed` every name does."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        told = {each.lower().strip("[]") for each in allowed}
        self._names = frozenset(each.encode() for each in (*told, *_LOOPBACK)) if told else None

    def admit(self, headers: Headers) -> bool:
        if self._names is None:
            return True
        hosts = [value for name, value in headers if name == b"host"]
        return len(hosts) == 1 and _name(hosts[0].lower()) in self._names


def stranger() -> Refusing:
    what = "The gateway does not go by this name. Add it to [gateway] allowed_hosts."
    return Refusing(400, "host_not_allowed", what)


def _name(host: bytes) -> bytes:
    """The name of `name:port` or `[address]:port`."""
    if host.startswith(b"["):
        return host[1:].partition(b"]")[0]
    return host.partition(b":")[0]
