"""How h11 reads the bytes of an answer: a second opinion that was written with another mind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import h11

from farthing.providers.transport.hops import end_to_end
from farthing.testing.servers import Heard


def h11_hears(parts: Iterable[bytes], *, method: str, ends: bool) -> Heard:
    """Status, headers and body, or None where h11 takes it for no whole answer."""
    found: h11.Response | None = None
    body: list[bytes] = []
    try:
        for event in _events(parts, method, ends=ends):
            if isinstance(event, h11.Response):
                found = event
            elif isinstance(event, h11.Data):
                body.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage) and found is not None:
                return found.status_code, end_to_end(found.headers.raw_items()), b"".join(body)
    except h11.RemoteProtocolError:
        pass
    return None


def _events(parts: Iterable[bytes], method: str, *, ends: bool) -> Iterator[object]:
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=64 << 10)
    connection.send(h11.Request(method=method, target="/", headers=[("host", "h")]))
    connection.send(h11.EndOfMessage())
    for part in [*filter(None, parts), *([b""] if ends else [])]:
        connection.receive_data(part)
        while (event := connection.next_event()) is not h11.NEED_DATA:
            yield event
            if event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                break
