"""The seam between the gateway and a provider's socket: one request out, one answer back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from farthing.domain.errors import Unavailable

Headers = list[tuple[bytes, bytes]]  # names in lower case


class NotSent(Unavailable):
    """No byte of the request left: the call may be tried again for free."""

    code = "upstream_unreachable"


class Lost(Unavailable):
    """Bytes of the request went out and the answer did not come whole: nobody knows the cost."""

    code = "upstream_lost"


class TimedOut(Lost):
    """The answer, or its next part, did not come in time."""

    code = "upstream_timeout"


class Origin(msgspec.Struct, frozen=True):
    """Where to connect. Connections are pooled by it. `host` without brackets."""

    scheme: str  # http | https
    host: str
    port: int
    proxy: str | None = None  # http://[user:password@]host:port
    ca_file: str | None = None  # trusted beside the system's authorities


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds. `first` is until the status line, `between` until the next bytes of the body."""

    connect: float = 5.0
    first: float = 600.0
    between: float = 120.0


class Request(msgspec.Struct, gc=False):
    """What to send. The transport itself writes Host, Content-Length and Connection."""

    method: bytes
    target: bytes  # path and query, as on the request line
    headers: Headers
    body: bytes


class Answer(Protocol):
    """An answer whose head is there. Hop-by-hop headers and framing are taken off."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Sequence[tuple[bytes, bytes]]: ...

    @property
    def ended(self) -> bool:
        """All of the body was handed out."""
        ...

    async def chunk(self) -> bytes:
        """The next bytes of the body as they came, b"" once ended. Raises Lost."""
        ...

    def close(self) -> None:
        """Want no more of it. An answer that has not ended costs its connection."""
        ...


class Transport(Protocol):
    async def send(self, origin: Origin, request: Request, timeouts: Timeouts) -> Answer:
        """Send and wait for the answer's head. Raises NotSent, Lost or TimedOut.

        Cancelling it, or an answer's `chunk`, gives the connection up.
        """
        ...

    async def close(self) -> None:
        """Close every idle connection; those in use end with their answer."""
        ...
